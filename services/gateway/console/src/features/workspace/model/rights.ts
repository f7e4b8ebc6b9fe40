/** What an agent may still do with a message, and with a conversation; the server has the last word. */
import type { Conversation, Message } from './types'

const EDIT_MS = 15 * 60_000
const RECALL_MS = 2 * 60_000

export function canEdit(message: Message, now: number): boolean {
  return message.content?.text !== undefined && younger(message, now, EDIT_MS)
}

export function canRecall(message: Message, now: number): boolean {
  return younger(message, now, RECALL_MS)
}

function younger(message: Message, now: number, age: number): boolean {
  return message.recalled_at === null && message.created_at !== null && now - Date.parse(message.created_at) < age
}

export interface Rights {
  /** Answer the contact. */
  reply: boolean
  /** Leave a note for colleagues. */
  note: boolean
  /** Advise the agent who has it. */
  whisper: boolean
  /** Label, snooze, transfer, close. */
  work: boolean
  pick: boolean
  takeOver: boolean
}

export function rightsIn(one: Conversation, me: string, can: (permission: string) => boolean): Rights {
  const writes = can('conversation.write')
  const supervises = can('conversation.supervise')
  const isMine = one.assignee_id === me
  const isOpen = one.state !== 'resolved'
  const waits = one.state === 'queued' || one.state === 'off_hours'
  return {
    reply: writes && isMine && one.state === 'active',
    note: writes,
    whisper: writes && supervises && one.state === 'active' && !isMine,
    work: writes && isOpen && (isMine || supervises),
    pick: writes && waits,
    takeOver: supervises && one.state === 'active' && !isMine,
  }
}
