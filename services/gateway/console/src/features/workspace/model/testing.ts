/** Messages and conversations for tests. */
import type { Conversation, Message, ThreadEvent } from './types'

export function message(fields: Partial<Message> & { rev: number; text?: string }): Message {
  const { text, ...rest } = fields
  return {
    id: `m-${fields.rev}`,
    conversation_id: 'c-1',
    public_rev: fields.rev,
    author: { kind: 'contact', id: 'p-1', name: 'Li Wei' },
    visibility: 'public',
    content: { text: { text: text ?? `message ${fields.rev}` } },
    client_id: `client-${fields.rev}`,
    reply_to_message_id: '',
    mention_user_ids: [],
    delivery_state: 'unspecified',
    delivery_error: '',
    created_at: new Date(Date.UTC(2026, 0, 1, 8, fields.rev)).toISOString(),
    edited_at: null,
    recalled_at: null,
    external_id: '',
    metadata: null,
    whisper: false,
    ...rest,
  }
}

export function posted(fields: Partial<Message> & { rev: number; text?: string }): ThreadEvent {
  return { rev: fields.rev, event: 'message_posted', data: { meta: null, message: message(fields) } }
}

export function conversation(fields: Partial<Conversation> = {}): Conversation {
  return {
    id: 'c-1', inbox_id: 'i-1', channel: 'web', contact_id: 'p-1', contact_name: 'Li Wei', state: 'active', queue_id: 'q-1',
    assignee_id: 'a-1', assignee_name: 'Chen', priority: 'normal', subject: '', attributes: null, label_ids: [], rev: 1,
    public_rev: 1, epoch: 1, agent_read_rev: 0, contact_read_rev: 0, unread_count: 0, last_message_preview: '',
    last_author_kind: 'contact', last_message_at: '2026-01-01T08:00:00Z', created_at: '2026-01-01T08:00:00Z', queued_at: null,
    first_assigned_at: null, first_reply_at: null, due_at: null, snoozed_until: null, resolved_at: null,
    close_reason: 'unspecified', wrap_up_category_id: '', wrap_up_category_name: '', summary: '', csat_score: 0,
    csat_comment: '', spam: false, last_assignee_id: '', required_skills: {}, locale: '', participant_ids: [],
    agent_read_public_rev: 0, contact_read_public_rev: 0, contact_unread_count: 0, ...fields,
  }
}
