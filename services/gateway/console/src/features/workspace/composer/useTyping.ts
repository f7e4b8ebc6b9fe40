/** Tells the others that one types: at once, again while it goes on, and when it ends. */
import { onScopeDispose } from 'vue'
import { live } from '@/api/socket'

const AGAIN_MS = 4_000
const ENDS_MS = 6_000

export function useTyping() {
  let told: { id: string; internal: boolean; at: number } | null = null
  let timer: ReturnType<typeof setTimeout> | undefined

  function typed(id: string, internal: boolean): void {
    const same = told && told.id === id && told.internal === internal
    if (!same) stop()
    if (!same || Date.now() - (told?.at ?? 0) > AGAIN_MS) {
      live.typing(id, true, internal)
      told = { id, internal, at: Date.now() }
    }
    clearTimeout(timer)
    timer = setTimeout(stop, ENDS_MS)
  }

  function stop(): void {
    clearTimeout(timer)
    if (told) live.typing(told.id, false, told.internal)
    told = null
  }

  onScopeDispose(stop)
  return { typed, stop }
}
