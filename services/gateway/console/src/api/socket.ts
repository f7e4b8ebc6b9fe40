/** The one socket of this tab: topics to follow, messages to send, and whether the connection stands. */
import { computed, ref } from 'vue'
import { api, take } from './client'
import type { Ack, ConversationEvent, FeedEvent, LiveEvent, Requests, TopicKind } from './events'
import { Connection } from './live/connection'
import { Outbox } from './live/outbox'
import { Topics, type Changes, type TopicListener } from './live/topics'
import type { Revised } from './live/cursor'
import { accessToken } from './session'

export type { ConversationEvent, FeedEvent, LiveEvent } from './events'
export type { OutboxEntry, Outgoing } from './live/outbox'

export type ConversationListener = TopicListener<ConversationEvent, LiveEvent>
export type FeedListener = TopicListener<FeedEvent, LiveEvent>
export type LiveListener = Pick<ConversationListener, 'onLive' | 'onGone'>

interface Followed {
  listeners: number
  rev: number
}

const followed = new Map<string, Followed>()
const rightsChanged = new Set<() => void>()
const reconnected = new Set<() => void>()

const topics = new Topics({
  request: (type, members) => connection.request(type, members),
  isOnline: () => connection.state.value === 'online',
  read,
  onProgress: (kind, id, rev) => kind === 'conversation' && shown(id, rev),
})
const outbox = new Outbox({
  send: (members) => connection.request('send', members),
  isOnline: () => connection.state.value === 'online',
  shownRev: (id) => followed.get(id)?.rev,
})
const connection: Connection = new Connection({
  token: accessToken,
  onOpen: () => {
    topics.resume()
    outbox.resume()
    if (hasBeenOnline.value) for (const listener of reconnected) listener()
    hasBeenOnline.value = true
  },
  onFrame: (frame) => {
    topics.take(frame)
    if (frame.type === 'heartbeat') outbox.resume()
  },
  onRightsChanged: () => {
    for (const listener of rightsChanged) listener()
  },
})
const hasBeenOnline = ref(false)

const PAGE = 500

function shown(id: string, rev: number): void {
  const entry = followed.get(id)
  if (entry) entry.rev = Math.max(entry.rev, rev)
  outbox.shown(id, rev)
}

async function read(kind: TopicKind, id: string, after: number): Promise<Changes<Revised>> {
  const query = { after_rev: after, page_size: PAGE }
  if (kind === 'feed') {
    const answer = await take(api.GET('/api/v1/agents/me/feed', { params: { query } }))
    const events = answer.entries.map((data) => ({ rev: data.rev, event: 'agent_feed_changed' as const, data }))
    return { events, head: answer.head_rev, snapshotRequired: answer.snapshot_required }
  }
  const path = { conversation_id: id }
  const answer = await take(api.GET('/api/v1/conversations/{conversation_id}/changes', { params: { path, query } }))
  const events = answer.changes.map(({ rev, ...named }) => {
    const [event, data] = Object.entries(named)[0] ?? ['', null]
    return { rev, event, data }
  })
  return { events, head: answer.head_rev, snapshotRequired: answer.snapshot_required }
}

export const live = {
  /** `stopped`, `connecting` (the first time), `online`, `lost`. */
  state: connection.state,
  /** Messages that wait for the connection. */
  waiting: computed(() => outbox.all.value.filter((entry) => entry.state === 'waiting').length),

  start(userId: string): void {
    outbox.start(userId)
    connection.start()
  },

  stop(): void {
    connection.stop()
    topics.clear()
    outbox.stop()
    followed.clear()
    hasBeenOnline.value = false
  },

  retryNow: connection.retryNow,

  /** Calls back when the person's rights changed: read them, and what they show, anew. */
  onRightsChanged(listener: () => void): () => void {
    rightsChanged.add(listener)
    return () => rightsChanged.delete(listener)
  },

  /** Calls back after every reconnect: for what has no revision, such as a list that is read by REST. */
  onReconnect(listener: () => void): () => void {
    reconnected.add(listener)
    return () => reconnected.delete(listener)
  },

  /** Every change of a conversation after `rev`, the revision of what the caller has read. Gives what ends it. */
  followConversation(id: string, rev: number, listener: ConversationListener): () => void {
    const entry = followed.get(id) ?? { listeners: 0, rev }
    entry.listeners++
    followed.set(id, entry)
    shown(id, rev)
    const leave = topics.follow('conversation', id, rev, listener as TopicListener)
    let left = false
    return () => {
      if (left) return
      left = true
      leave()
      if (--entry.listeners) return
      if (followed.get(id) === entry) followed.delete(id)
      outbox.shown(id, Infinity)
    }
  },

  /** One's own feed: offers, assignments, presence. Without `rev`, from now on. */
  followFeed(userId: string, listener: FeedListener, rev?: number): () => void {
    return topics.follow('feed', userId, rev, listener as TopicListener)
  },

  /** The board of a queue, or of all with "*"; it passes whole, without revisions. */
  followQueue(id: string, listener: LiveListener): () => void {
    return topics.follow('queue', id, undefined, listener as TopicListener)
  },

  /** Alerts as they are raised. */
  followAlerts(listener: LiveListener): () => void {
    return topics.follow('alerts', '*', undefined, listener as TopicListener)
  },

  /** Writes a message, now or as soon as the connection is back; it survives a reload. */
  send: outbox.send.bind(outbox),
  /** Messages of a conversation that have not arrived, oldest first; reactive. */
  outgoing: outbox.of.bind(outbox),
  retry: outbox.retry.bind(outbox),
  discard: outbox.discard.bind(outbox),

  /** Marks a conversation as read; what is lost with the connection is marked the next time. */
  async markRead(conversationId: string, throughRev: number): Promise<void> {
    await connection.request('read', { conversation_id: conversationId, through_rev: throughRev }).catch(() => undefined)
  },

  /** Says that one types; needs `followConversation`. Repeat it at most every few seconds. */
  typing(conversationId: string, active: boolean, internal = false): void {
    void connection.request('typing', { conversation_id: conversationId, active, internal }).catch(() => undefined)
  },

  /** Sets one's own presence. Throws ApiProblem. */
  setPresence(members: Requests['presence']): Promise<Ack> {
    return connection.request('presence', members)
  },
}
