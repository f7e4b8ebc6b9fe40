/**
 * Every conversation that the desk shows, and the threads that are open, kept right by what the socket tells. Events gather
 * until the next frame and are applied at once, so that twenty a second cost one drawing each frame at most.
 */
import { defineStore } from 'pinia'
import { computed, shallowRef, triggerRef } from 'vue'
import { live, type ConversationEvent, type LiveEvent } from '@/api/socket'
import { useMe } from '@/app/me'
import { getConversation, listConversations } from '../calls'
import { follow } from '../model/desk'
import type { Conversation } from '../model/types'
import { OpenThread } from './openThread'

export interface Typist {
  id: string
  name: string
  kind: string
  internal: boolean
  until: number
}

const TYPING_MS = 8_000
const KEPT_THREADS = 12
const HIDDEN_FLUSH_MS = 200
/** Below the server's bound on subscriptions of one socket. */
const MAX_FOLLOWED = 150

interface Followed {
  leave: () => void
  usedAt: number
}

type Heard = (conversation: Conversation, event: ConversationEvent) => void

export const useDesk = defineStore('workspace.desk', () => {
  const me = useMe()
  const myId = computed(() => me.user?.id ?? '')
  /** By id; the map is one object, announced once per batch. */
  const conversations = shallowRef(new Map<string, Conversation>())
  const typists = shallowRef(new Map<string, Typist[]>())
  const openId = shallowRef('')
  const threads = new Map<string, OpenThread>()
  const followed = new Map<string, Followed>()
  const queued = new Map<string, ConversationEvent[]>()
  const listeners = new Set<Heard>()
  let scheduled = false
  let ticks = 0

  const mine = computed(() => [...conversations.value.values()].filter((one) => one.assignee_id === myId.value && one.state === 'active' && !one.spam))
  const unreadCount = computed(() => mine.value.filter((one) => one.unread_count > 0).length)

  function get(id: string): Conversation | undefined {
    return conversations.value.get(id)
  }

  /** Takes conversations as they were read; an older reading does not replace a newer one. */
  function put(...found: readonly Conversation[]): void {
    for (const one of found) {
      const known = conversations.value.get(one.id)
      if (!known || one.rev >= known.rev) conversations.value.set(one.id, one)
    }
    triggerRef(conversations)
  }

  /** Follows a conversation that was put before. */
  function watch(id: string): void {
    const known = followed.get(id)
    if (known) {
      known.usedAt = ++ticks
      return
    }
    const conversation = conversations.value.get(id)
    if (!conversation) return
    const leave = live.followConversation(id, conversation.rev, {
      onEvent: (event) => queue(id, event),
      onLive: (event) => heardLive(id, event),
      onSnapshot: () => snapshot(id),
      onGone: () => gone(id),
    })
    followed.set(id, { leave, usedAt: ++ticks })
    makeRoom()
  }

  function makeRoom(): void {
    if (followed.size <= MAX_FOLLOWED) return
    const needed = new Set(mine.value.map((one) => one.id))
    const others = [...followed].filter(([id]) => !needed.has(id) && id !== openId.value).sort(([, one], [, other]) => one.usedAt - other.usedAt)
    for (const [id] of others.slice(0, followed.size - MAX_FOLLOWED)) unwatch(id)
  }

  function unwatch(id: string): void {
    followed.get(id)?.leave()
    followed.delete(id)
    threads.delete(id)
  }

  function gone(id: string): void {
    followed.delete(id)
    threads.get(id)?.close()
    threads.delete(id)
    if (id !== openId.value) conversations.value.delete(id)
    triggerRef(conversations)
  }

  async function snapshot(id: string): Promise<number> {
    const [conversation] = await Promise.all([getConversation(id), threads.get(id)?.reload()])
    // A restored backup may lead back.
    conversations.value.set(id, conversation)
    triggerRef(conversations)
    return conversation.rev
  }

  function queue(id: string, event: ConversationEvent): void {
    const waiting = queued.get(id)
    if (waiting) waiting.push(event)
    else queued.set(id, [event])
    // One's own message takes the place of the one that waited in the same moment.
    if (event.event === 'message_posted' && event.data.message?.author?.id === myId.value && id === openId.value) return flush()
    if (scheduled) return
    scheduled = true
    if (document.visibilityState === 'visible') requestAnimationFrame(flush)
    else setTimeout(flush, HIDDEN_FLUSH_MS)
  }

  function flush(): void {
    scheduled = false
    const batch = [...queued]
    queued.clear()
    for (const [id, events] of batch) {
      threads.get(id)?.apply(events)
      let now = conversations.value.get(id)
      if (!now) continue
      for (const event of events) {
        now = follow(now, event)
        if (event.event === 'message_posted') stopTyping(id, event.data.message?.author?.id ?? '')
        for (const listener of listeners) listener(now, event)
      }
      conversations.value.set(id, now)
    }
    if (batch.length) triggerRef(conversations)
  }

  function heardLive(id: string, event: LiveEvent): void {
    if (event.event !== 'typing' || !event.data.actor) return
    const { actor, active, internal } = event.data
    stopTyping(id, actor.id)
    if (!active) return
    const typist = { id: actor.id, name: actor.name, kind: actor.kind, internal, until: Date.now() + TYPING_MS }
    typists.value.set(id, [...(typists.value.get(id) ?? []), typist])
    triggerRef(typists)
    setTimeout(() => expireTyping(id), TYPING_MS + 50)
  }

  function stopTyping(id: string, actorId: string): void {
    const before = typists.value.get(id)
    if (!before?.some((one) => one.id === actorId)) return
    typists.value.set(id, before.filter((one) => one.id !== actorId))
    triggerRef(typists)
  }

  function expireTyping(id: string): void {
    const still = (typists.value.get(id) ?? []).filter((one) => one.until > Date.now())
    if (still.length === typists.value.get(id)?.length) return
    typists.value.set(id, still)
    triggerRef(typists)
  }

  /** The thread of a conversation, its newest page on the way when it is new. */
  function thread(id: string): OpenThread {
    let one = threads.get(id)
    if (!one) {
      one = new OpenThread(id, () => myId.value)
      threads.set(id, one)
      for (const old of [...threads.keys()].slice(0, Math.max(0, threads.size - KEPT_THREADS))) if (old !== openId.value && old !== id) threads.delete(old)
    }
    return one
  }

  /** Reads a conversation that no list brought, and follows it. Throws ApiProblem. */
  async function open(id: string): Promise<Conversation> {
    openId.value = id
    if (!conversations.value.has(id)) put(await getConversation(id))
    watch(id)
    return conversations.value.get(id) as Conversation
  }

  /** All of one's own, so that unread counts and notifications are right whatever list is open. */
  async function loadMine(): Promise<void> {
    if (!myId.value) return
    let page_token = ''
    do {
      const answer = await listConversations({ assignee_id: myId.value, states: ['active'], page_size: 200, page_token })
      put(...answer.conversations)
      for (const one of answer.conversations) watch(one.id)
      page_token = answer.next_page_token
    } while (page_token)
  }

  /** Reads one conversation anew, such as one that was just given to this agent. */
  async function refresh(id: string): Promise<Conversation> {
    const conversation = await getConversation(id)
    put(conversation)
    watch(id)
    return conversation
  }

  function onEvent(listener: Heard): () => void {
    listeners.add(listener)
    return () => listeners.delete(listener)
  }

  function clear(): void {
    for (const id of [...followed.keys()]) unwatch(id)
    conversations.value = new Map()
    typists.value = new Map()
    threads.clear()
    queued.clear()
    openId.value = ''
  }

  return { conversations, typists, openId, myId, mine, unreadCount, get, put, watch, thread, open, loadMine, refresh, onEvent, clear }
})
