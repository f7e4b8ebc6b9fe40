import { describe, expect, it } from 'vitest'
import { belongs, follow, inOrder, NO_FILTER, previewOf } from './desk'
import { conversation, posted } from './testing'
import type { ChangeMeta } from './types'

function meta(fields: Partial<ChangeMeta>): ChangeMeta {
  return {
    conversation_id: 'c-1', rev: 2, public_rev: 2, occurred_at: null, actor: null, state: 'active', contact_id: 'p-1', inbox_id: 'i-1',
    channel: 'web', assignee_id: 'a-1', queue_id: 'q-1', epoch: 1, ...fields,
  }
}

describe('following a conversation', () => {
  it('counts what the contact writes and shows its first line', () => {
    const next = follow(conversation(), posted({ rev: 2, text: 'Where\nis it?' }))
    expect(next).toMatchObject({ rev: 2, unread_count: 1, last_message_preview: 'Where is it?', last_author_kind: 'contact' })
  })

  it('drops a change that it has', () => {
    const one = conversation({ rev: 5 })
    expect(follow(one, posted({ rev: 5 }))).toBe(one)
  })

  it('has read all when the assignee has', () => {
    const read = { rev: 3, event: 'messages_read' as const, data: { meta: meta({ rev: 3 }), reader_kind: 'agent' as const, read_rev: 2, public_read_rev: 2 } }
    expect(follow(conversation({ rev: 2, unread_count: 4 }), read).unread_count).toBe(0)
  })

  it('does not take a system line for the last message', () => {
    const line = posted({ rev: 2, author: { kind: 'system', id: '', name: '' }, content: { system: { code: 'conversation.assigned', params: {} } } })
    expect(follow(conversation({ last_message_preview: 'hello' }), line).last_message_preview).toBe('hello')
  })

  it('takes the assignee from the change', () => {
    const event = { rev: 2, event: 'message_recalled' as const, data: { meta: meta({ assignee_id: 'a-2', state: 'queued' }), message_id: 'm', visibility: 'public' as const } }
    expect(follow(conversation(), event)).toMatchObject({ assignee_id: 'a-2', state: 'queued' })
  })
})

describe('a list', () => {
  it('holds what its filter asks for', () => {
    const one = conversation({ label_ids: ['l-1'], priority: 'unspecified' })
    expect(belongs({ ...NO_FILTER, assigned_to_me: true, states: ['active'] }, one, 'a-1')).toBe(true)
    expect(belongs({ ...NO_FILTER, assigned_to_me: true }, one, 'a-2')).toBe(false)
    expect(belongs({ ...NO_FILTER, label_id: 'l-1', priority: 'normal' }, one, 'a-1')).toBe(true)
    expect(belongs({ ...NO_FILTER, states: ['queued'] }, one, 'a-1')).toBe(false)
    expect(belongs(NO_FILTER, conversation({ spam: true }), 'a-1')).toBe(false)
  })

  it('sorts as the server does', () => {
    const old = conversation({ id: 'old', last_message_at: '2026-01-01T00:00:00Z', due_at: '2026-01-01T01:00:00Z', priority: 'low' })
    const recent = conversation({ id: 'new', last_message_at: '2026-01-02T00:00:00Z', due_at: '2026-01-03T01:00:00Z', priority: 'urgent' })
    expect([old, recent].sort(inOrder('unspecified')).map((one) => one.id)).toEqual(['new', 'old'])
    expect([recent, old].sort(inOrder('due')).map((one) => one.id)).toEqual(['old', 'new'])
    expect([old, recent].sort(inOrder('priority')).map((one) => one.id)).toEqual(['new', 'old'])
  })

  it('shows the words of any kind of content', () => {
    expect(previewOf({ card: { title: 'A kettle', url: 'https://example.com' } })).toBe('A kettle')
    expect(previewOf({ image: { file_id: 'f', name: '' } })).toBe('')
    expect(previewOf(null)).toBe('')
  })
})
