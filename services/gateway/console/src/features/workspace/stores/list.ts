/** The list of conversations: which view is chosen, what it holds, and that it stays right without being read all the time. */
import { defineStore } from 'pinia'
import { computed, ref, shallowRef } from 'vue'
import { live } from '@/api/socket'
import { listConversations, type ConversationQuery } from '../calls'
import { belongs, inOrder, NO_FILTER, type Filter } from '../model/desk'
import type { Conversation, SavedView } from '../model/types'
import { useDesk } from './desk'

export type ViewName = 'mine' | 'waiting' | 'all' | 'mentions' | 'saved'
type Narrowing = Partial<Filter>

const VIEWS: Record<Exclude<ViewName, 'saved'>, Partial<Filter>> = {
  mine: { assigned_to_me: true, states: ['active'] },
  waiting: { states: ['queued', 'off_hours'] },
  all: {},
  mentions: { mentions_me: true },
}
const PAGE = 50
const REFRESH_MS = 20_000
const BOARD_MS = 1_500

export const useList = defineStore('workspace.list', () => {
  const desk = useDesk()
  const view = ref<ViewName>('mine')
  const saved = shallowRef<SavedView | null>(null)
  const narrowing = ref<Narrowing>({})
  const ids = shallowRef<ReadonlySet<string>>(new Set())
  const next = ref('')
  const loading = ref(false)
  const loaded = ref(false)
  const error = shallowRef<unknown>(null)
  let reading: AbortController | null = null
  let refreshTimer: ReturnType<typeof setTimeout> | undefined
  let boardTimer: ReturnType<typeof setTimeout> | undefined
  const ends: (() => void)[] = []

  const filter = computed<Filter>(() => {
    const base = view.value === 'saved' ? { ...NO_FILTER, ...saved.value?.filter } : { ...NO_FILTER, ...VIEWS[view.value] }
    const narrowed = Object.fromEntries(Object.entries(narrowing.value).filter(([, value]) => value !== undefined))
    return { ...base, ...narrowed } as Filter
  })
  const isNarrowed = computed(() => Object.values(narrowing.value).some((value) => value && value !== 'unspecified' && !(Array.isArray(value) && !value.length)))

  const rows = computed<Conversation[]>(() => {
    const wanted = filter.value
    const found: Conversation[] = []
    for (const one of desk.conversations.values()) {
      // A mention is known to the server alone; what changed since is known here.
      const candidate = ids.value.has(one.id) || (view.value === 'mine' && one.assignee_id === desk.myId)
      if (candidate && belongs(wanted, one, desk.myId)) found.push(one)
    }
    return found.sort(inOrder(wanted.sort))
  })

  function query(): ConversationQuery {
    const { assigned_to_me, ...rest } = filter.value
    return assigned_to_me ? { ...rest, assignee_id: desk.myId } : rest
  }

  async function read(page_token: string): Promise<void> {
    reading?.abort()
    const mine = (reading = new AbortController())
    loading.value = true
    try {
      const answer = await listConversations({ ...query(), page_size: PAGE, page_token }, mine.signal)
      if (mine !== reading) return
      desk.put(...answer.conversations)
      const found = answer.conversations.map((one) => one.id)
      ids.value = new Set(page_token ? [...ids.value, ...found] : loaded.value ? [...found, ...kept(found)] : found)
      if (page_token || !loaded.value || ids.value.size <= PAGE) next.value = answer.next_page_token
      for (const id of found) desk.watch(id)
      loaded.value = true
      error.value = null
    } catch (failure) {
      if (mine === reading) error.value = failure
    } finally {
      if (mine === reading) loading.value = false
    }
  }

  /** A refresh reads the first page alone; pages that were read before stay as long as they still fit. */
  function kept(found: readonly string[]): string[] {
    return next.value || found.length === PAGE ? [...ids.value] : []
  }

  /** Shows another view, or the same with another filter. */
  async function show(name: ViewName, of: SavedView | null = null): Promise<void> {
    view.value = name
    saved.value = of
    narrowing.value = {}
    await reload()
  }

  async function narrow(change: Narrowing): Promise<void> {
    narrowing.value = { ...narrowing.value, ...change }
    await reload()
  }

  async function reload(): Promise<void> {
    loaded.value = false
    ids.value = new Set()
    next.value = ''
    await read('')
  }

  async function refresh(): Promise<void> {
    if (!loading.value) await read('')
  }

  async function loadMore(): Promise<void> {
    if (next.value && !loading.value) await read(next.value)
  }

  function start(): void {
    ends.push(
      live.followQueue('*', { onLive: (event) => event.event === 'queue_board' && view.value !== 'mine' && onBoard() }),
      live.onReconnect(() => void refresh()),
    )
    tick()
  }

  /** Queues tell at most once a second that something in them changed; what changed is read. */
  function onBoard(): void {
    boardTimer ??= setTimeout(() => {
      boardTimer = undefined
      void refresh()
    }, BOARD_MS)
  }

  function tick(): void {
    refreshTimer = setTimeout(() => {
      if (document.visibilityState === 'visible' && loaded.value && live.state.value === 'online') void refresh()
      tick()
    }, REFRESH_MS)
  }

  function stop(): void {
    clearTimeout(refreshTimer)
    clearTimeout(boardTimer)
    for (const end of ends.splice(0)) end()
    reading?.abort()
    ids.value = new Set()
    loaded.value = false
  }

  return { view, saved, filter, narrowing, isNarrowed, rows, next, loading, loaded, error, show, narrow, reload, refresh, loadMore, start, stop }
})
