/** A thread as the rows that the screen shows: days, the line above what is unread, messages in groups, and what waits. */
import type { Message, Pending } from './types'

export type Row =
  | { key: string; kind: 'day'; at: string }
  | { key: string; kind: 'unread' }
  | { key: string; kind: 'system'; message: Message }
  | { key: string; kind: 'message'; message: Message; first: boolean; last: boolean }
  | { key: string; kind: 'pending'; pending: Pending; first: boolean }

const GROUP_WITHIN_MS = 5 * 60_000

/**
 * `unreadAfter` is the revision that had been read when the thread was opened; null for no line.
 * A pending entry whose message is in the thread is left out: its answer was on the way.
 */
export function rowsOf(messages: readonly Message[], pending: readonly Pending[], me: string, unreadAfter: number | null): Row[] {
  const rows: Row[] = []
  let day = ''
  let lineDrawn = unreadAfter === null
  let before: Message | null = null
  messages.forEach((message, at) => {
    const today = dayOf(message.created_at)
    if (today !== day) {
      day = today
      rows.push({ key: `day-${today}-${message.id}`, kind: 'day', at: message.created_at ?? '' })
      before = null
    }
    if (!lineDrawn && message.rev > (unreadAfter ?? 0) && message.author?.kind === 'contact') {
      lineDrawn = true
      // A conversation that is new as a whole needs no line.
      if (at > 0) rows.push({ key: 'unread', kind: 'unread' })
      before = null
    }
    if (message.content?.system) {
      rows.push({ key: message.id, kind: 'system', message })
      before = null
      return
    }
    const after = messages[at + 1]
    const last = !after || !grouped(message, after) || dayOf(after.created_at) !== today
    rows.push({ key: rowKey(message), kind: 'message', message, first: !before || !grouped(before, message), last })
    before = message
  })
  const tail = messages.slice(-200)
  const arrived = new Set(tail.filter((one) => one.author?.id === me).map((one) => one.client_id))
  let first = true
  for (const one of pending) {
    if (arrived.has(one.clientId)) continue
    rows.push({ key: one.clientId, kind: 'pending', pending: one, first })
    first = false
  }
  return rows
}

/** A sent message keeps the row that it had while it waited, so that it does not jump. */
function rowKey(message: Message): string {
  return message.author?.kind === 'agent' && message.client_id ? message.client_id : message.id
}

function grouped(one: Message, other: Message): boolean {
  return (
    !other.content?.system &&
    one.author?.kind === other.author?.kind &&
    one.author?.id === other.author?.id &&
    one.visibility === other.visibility &&
    one.whisper === other.whisper &&
    Date.parse(other.created_at ?? '') - Date.parse(one.created_at ?? '') < GROUP_WITHIN_MS
  )
}

/** The day in the reader's time zone. */
export function dayOf(at: string | null): string {
  if (!at) return ''
  const date = new Date(at)
  return `${date.getFullYear()}-${date.getMonth() + 1}-${date.getDate()}`
}
