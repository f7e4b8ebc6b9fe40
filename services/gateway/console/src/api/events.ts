/** The frames of the socket as types; their members come from the generated documents. */
import type { components as frames } from './frames'
import type { Schema } from './client'

type Frames = frames['schemas']
type Change = Schema<'Change'>

/** Events of a conversation: name -> data. */
export type ConversationEvents = { [Name in Exclude<keyof Change, 'rev'>]-?: NonNullable<Change[Name]> }

/** One change of a conversation, discriminated by `event`. */
export type ConversationEvent = {
  [Name in keyof ConversationEvents]: { rev: number; event: Name; data: ConversationEvents[Name] }
}[keyof ConversationEvents]

export interface FeedEvent {
  rev: number
  event: 'agent_feed_changed'
  data: Schema<'AgentFeedChanged'>
}

/** What passes without a revision: name -> data. */
export interface LiveEvents {
  typing: Frames['Typing']
  queue_position: Schema<'QueuePosition'>
  queue_board: Schema<'QueueBoard'>
  alert_raised: Frames['AlertRaised']
}

export type LiveEvent = { [Name in keyof LiveEvents]: { event: Name; data: LiveEvents[Name] } }[keyof LiveEvents]

export type TopicKind = 'conversation' | 'feed' | 'queue' | 'alerts'

type Members<Frame> = Omit<Frame, 'type' | 'ref'>
/** What a client may ask: type of frame -> its members. */
export interface Requests {
  send: Members<Frames['FrameSend']>
  subscribe: Members<Frames['FrameSubscribe']>
  unsubscribe: Members<Frames['FrameUnsubscribe']>
  read: Members<Frames['FrameRead']>
  typing: Members<Frames['FrameTyping']>
  presence: Members<Frames['FramePresence']>
  ping: Record<string, never>
}

/** The answer to a request. */
export interface Ack {
  message_id?: string
  conversation_id?: string
  rev?: number
  duplicate?: boolean
  created_at?: string
  snapshot_required?: boolean
  agent?: Schema<'Agent'>
}

export type ServerFrame =
  | { type: 'welcome'; connection_id: string; heartbeat_s: number; actor: { kind: string; id: string; name: string } }
  | ({ type: 'ack'; ref: string } & Ack)
  | { type: 'pong'; ref: string }
  | { type: 'error'; ref: string | null; error: Partial<Schema<'Problem'>> & { retry_after_s?: number } }
  | { type: 'event'; topic: TopicKind; id: string; rev: number; event: string; data: unknown }
  | { type: 'live'; topic: TopicKind; id: string; event: string; data: unknown }
  | { type: 'heartbeat'; time: string; heads: Record<string, number> }
  | { type: 'resync'; topic: TopicKind; id: string; rev: number }
  | { type: 'unsubscribed'; topic: TopicKind; id: string; code: string }
