/** How a conversation in a list follows its changes, and in which list and at which place it stands. */
import type { Conversation, Sort, State, ThreadEvent } from './types'

/** What a list asks for; the words of ListConversations. */
export interface Filter {
  states: State[]
  assigned_to_me: boolean
  mentions_me: boolean
  assignee_id: string
  queue_id: string
  inbox_id: string
  label_id: string
  priority: Conversation['priority']
  sort: Sort
}

export const NO_FILTER: Filter = {
  states: [],
  assigned_to_me: false,
  mentions_me: false,
  assignee_id: '',
  queue_id: '',
  inbox_id: '',
  label_id: '',
  priority: 'unspecified',
  sort: 'unspecified',
}

/** The conversation after one change. */
export function follow(before: Conversation, event: ThreadEvent): Conversation {
  if (event.rev <= before.rev) return before
  const meta = event.data.meta
  const next: Conversation = { ...before, rev: event.rev }
  if (meta) {
    next.state = meta.state
    next.assignee_id = meta.assignee_id
    next.queue_id = meta.queue_id
    next.epoch = meta.epoch
    if (meta.public_rev) next.public_rev = meta.public_rev
  }
  switch (event.event) {
    case 'conversation_created':
    case 'state_changed':
    case 'conversation_updated':
    case 'conversation_rated':
      return event.data.conversation ? { ...event.data.conversation, rev: event.rev } : next
    case 'message_posted':
      return withMessage(next, event.data.message)
    case 'messages_read':
      return withMark(next, event.data.reader_kind, event.data.read_rev)
    default:
      return next
  }
}

function withMessage(next: Conversation, message: { author: { kind: Conversation['last_author_kind'] } | null; created_at: string | null; visibility: string; content: unknown } | null | undefined): Conversation {
  const kind = message?.author?.kind
  if (!message || !kind || kind === 'system') return next
  next.last_author_kind = kind
  next.last_message_at = message.created_at
  next.last_message_preview = previewOf(message.content as Record<string, unknown> | null)
  if (kind === 'contact') next.unread_count += 1
  else if (kind === 'agent' && message.visibility === 'public') next.first_reply_at ??= message.created_at
  return next
}

function withMark(next: Conversation, reader: string, readRev: number): Conversation {
  if (reader === 'contact') next.contact_read_rev = Math.max(next.contact_read_rev, readRev)
  else if (reader === 'agent' && readRev >= next.agent_read_rev) {
    next.agent_read_rev = readRev
    next.unread_count = 0
  }
  return next
}

/** One line of a message; empty for kinds without words, which the list names itself. */
export function previewOf(content: Record<string, unknown> | null): string {
  const part = Object.values(content ?? {}).find((one) => typeof one === 'object' && one !== null) as Record<string, unknown> | undefined
  const words = part && [part.text, part.title, part.name, part.label].find((one) => typeof one === 'string' && one.trim())
  return typeof words === 'string' ? words.split(/\s+/).filter(Boolean).join(' ').slice(0, 200) : ''
}

/** Whether a conversation that changed still belongs into the list; `mentions_me` is for the server alone to say. */
export function belongs(filter: Filter, one: Conversation, me: string): boolean {
  if (filter.states.length && !filter.states.includes(one.state)) return false
  if (filter.assigned_to_me && one.assignee_id !== me) return false
  if (filter.assignee_id && one.assignee_id !== filter.assignee_id) return false
  if (filter.queue_id && one.queue_id !== filter.queue_id) return false
  if (filter.inbox_id && one.inbox_id !== filter.inbox_id) return false
  if (filter.label_id && !one.label_ids.includes(filter.label_id)) return false
  if (filter.priority !== 'unspecified' && (one.priority === 'unspecified' ? 'normal' : one.priority) !== filter.priority) return false
  if (filter.sort === 'waiting' && !one.queued_at) return false
  if (filter.sort === 'due' && !one.due_at) return false
  return !one.spam
}

const URGENCY: Record<Conversation['priority'], number> = { urgent: 1, high: 2, normal: 3, unspecified: 3, low: 4 }

/** The order of the server's lists. */
export function inOrder(sort: Sort): (one: Conversation, other: Conversation) => number {
  const activity = (one: Conversation, other: Conversation) => time(other.last_message_at ?? other.created_at) - time(one.last_message_at ?? one.created_at) || (one.id < other.id ? 1 : -1)
  switch (sort) {
    case 'newest':
      return (one, other) => time(other.created_at) - time(one.created_at)
    case 'waiting':
      return (one, other) => time(one.queued_at) - time(other.queued_at)
    case 'due':
      return (one, other) => time(one.due_at) - time(other.due_at)
    case 'priority':
      return (one, other) => URGENCY[one.priority] - URGENCY[other.priority] || activity(one, other)
    default:
      return activity
  }
}

function time(at: string | null): number {
  return at ? Date.parse(at) : Infinity
}
