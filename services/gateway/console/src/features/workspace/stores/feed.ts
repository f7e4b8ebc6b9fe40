/** One's own feed: offers with their time, what was given and taken away, one's presence and load. */
import { useDebounceFn } from '@vueuse/core'
import { defineStore } from 'pinia'
import { computed, ref, shallowRef } from 'vue'
import { live, type FeedEvent } from '@/api/socket'
import { useMe } from '@/app/me'
import * as calls from '../calls'
import type { Agent, WorkItem } from '../model/types'
import { useDesk } from './desk'

export type FeedNews = { kind: 'offered' | 'assigned' | 'unassigned' | 'sla'; item: WorkItem | null; reason: string }

export const useFeed = defineStore('workspace.feed', () => {
  const me = useMe()
  const desk = useDesk()
  const agent = shallowRef<Agent | null>(null)
  const offers = shallowRef<WorkItem[]>([])
  const isAgent = ref(false)
  const listeners = new Set<(news: FeedNews) => void>()
  let leave: (() => void) | undefined

  const presence = computed(() => agent.value?.presence ?? 'offline')

  async function start(): Promise<void> {
    if (!me.can('presence.write')) return
    try {
      const rev = await snapshot()
      leave = live.followFeed(me.user?.id ?? '', { onEvent: take, onSnapshot: snapshot }, rev)
      isAgent.value = true
    } catch {
      // Not every member of staff takes work.
      isAgent.value = false
    }
  }

  async function snapshot(): Promise<number> {
    agent.value = await calls.getMyAgent()
    const feed = await calls.readFeed()
    offers.value = feed.offers
    void desk.loadMine().catch(() => undefined)
    // What came between both readings comes again and changes nothing.
    return Math.min(agent.value.feed_rev, feed.head_rev)
  }

  function take({ data }: FeedEvent): void {
    const { kind, work_item: item } = data
    if (data.agent) agent.value = data.agent
    if (item && kind === 'offered') offers.value = [...offers.value.filter((one) => one.id !== item.id), item]
    if (item && kind !== 'offered') drop(item.id)
    if (kind === 'assigned' || kind === 'unassigned') void weigh()
    if (item && kind === 'assigned') void desk.refresh(item.conversation_id).catch(() => undefined)
    if (kind === 'offered' || kind === 'assigned' || kind === 'unassigned' || kind === 'sla') {
      const news: FeedNews = { kind, item, reason: data.reason }
      for (const listener of listeners) listener(news)
    }
  }

  /** Not every change of the load has an entry of its own; a burst is read once. */
  const weigh = useDebounceFn(() => {
    calls.getMyAgent().then((now) => (agent.value = now), () => undefined)
  }, 400)

  function drop(id: string): void {
    if (offers.value.some((one) => one.id === id)) offers.value = offers.value.filter((one) => one.id !== id)
  }

  async function accept(item: WorkItem): Promise<void> {
    await calls.acceptOffer(item.id)
    drop(item.id)
  }

  async function decline(item: WorkItem): Promise<void> {
    await calls.declineOffer(item.id)
    drop(item.id)
  }

  async function setPresence(presence: 'online' | 'away' | 'busy' | 'offline', reason = ''): Promise<void> {
    const answer = await live.setPresence({ presence, reason })
    if (answer.agent) agent.value = answer.agent
  }

  function onNews(listener: (news: FeedNews) => void): () => void {
    listeners.add(listener)
    return () => listeners.delete(listener)
  }

  function stop(): void {
    leave?.()
    leave = undefined
    offers.value = []
    agent.value = null
    isAgent.value = false
  }

  return { agent, offers, isAgent, presence, start, stop, accept, decline, setPresence, onNews, drop }
})
