import { computed, onScopeDispose, ref, shallowRef, type ComputedRef, type Ref, type ShallowRef } from 'vue'

export interface Async<T> {
  data: ShallowRef<T | undefined>
  error: Ref<unknown>
  loading: Ref<boolean>
  /** Nothing has been loaded yet. */
  first: ComputedRef<boolean>
  /** Runs it (again); a newer run makes an older one's answer void. Never throws: look at `error`. */
  run: () => Promise<void>
}

/** Loads something and says how that stands. It starts at once unless `{ lazy: true }`; what was loaded stays during a reload. */
export function useAsync<T>(load: (signal: AbortSignal) => Promise<T>, { lazy = false } = {}): Async<T> {
  const data = shallowRef<T>()
  const error = ref<unknown>(null)
  const loading = ref(false)
  let current: AbortController | null = null

  async function run(): Promise<void> {
    current?.abort()
    const mine = (current = new AbortController())
    loading.value = true
    try {
      const loaded = await load(mine.signal)
      if (mine !== current) return
      data.value = loaded
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
  if (!lazy) void run()
  return { data, error, loading, first: computed(() => data.value === undefined), run }
}
