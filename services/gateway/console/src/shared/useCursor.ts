import { computed, onScopeDispose, ref, shallowRef, type ComputedRef, type Ref, type ShallowRef } from 'vue'

export interface Page<T> {
  items: T[]
  /** Empty on the last page. */
  next: string
}

export interface CursorList<T> {
  items: ShallowRef<T[]>
  error: Ref<unknown>
  loading: Ref<boolean>
  /** Not even the first page has come. */
  first: ComputedRef<boolean>
  more: ComputedRef<boolean>
  /** Begins again from the first page; what is shown stays until it comes. */
  reload: () => Promise<void>
  loadMore: () => Promise<void>
}

/** A list that the API gives page by page (`page_token`, `next_page_token`). */
export function useCursor<T>(read: (token: string, signal: AbortSignal) => Promise<Page<T>>, { lazy = false } = {}): CursorList<T> {
  const items = shallowRef<T[]>([])
  const error = ref<unknown>(null)
  const loading = ref(false)
  const next = ref('')
  const loaded = ref(false)
  let current: AbortController | null = null

  async function page(token: string): Promise<void> {
    current?.abort()
    const mine = (current = new AbortController())
    loading.value = true
    try {
      const answer = await read(token, mine.signal)
      if (mine !== current) return
      items.value = token ? [...items.value, ...answer.items] : answer.items
      next.value = answer.next
      loaded.value = true
      error.value = null
    } catch (failure) {
      if (mine === current) error.value = failure
    } finally {
      if (mine === current) loading.value = false
    }
  }

  onScopeDispose(() => {
    current?.abort()
    current = null
  })
  const reload = (): Promise<void> => page('')
  const loadMore = async (): Promise<void> => {
    if (next.value && !loading.value) await page(next.value)
  }
  if (!lazy) void reload()
  return { items, error, loading, first: computed(() => !loaded.value), more: computed(() => next.value !== ''), reload, loadMore }
}
