/** The text in the composer: kept per conversation and person, the same after a reload and in every tab. */
import { useDebounceFn, useEventListener } from '@vueuse/core'
import { onScopeDispose, reactive, watch } from 'vue'
import { Drafts, EMPTY_DRAFT, type Draft } from '../model/drafts'

const SAVE_MS = 150

export function useDraft(userId: string, conversationId: () => string) {
  const drafts = new Drafts(userId)
  const draft = reactive<Draft>({ ...EMPTY_DRAFT })
  let of = ''
  let taking = false

  function take(): void {
    taking = true
    of = conversationId()
    Object.assign(draft, drafts.read(of))
    queueMicrotask(() => (taking = false))
  }

  function save(): void {
    if (of) drafts.write(of, { ...draft })
  }

  const saveSoon = useDebounceFn(save, SAVE_MS)
  watch(draft, () => !taking && void saveSoon())
  watch(
    conversationId,
    () => {
      if (of) save()
      take()
    },
    { immediate: true, flush: 'sync' },
  )
  useEventListener(window, 'storage', (event) => {
    if (event.key === drafts.key(of) && !document.hasFocus()) take()
  })
  useEventListener(window, 'pagehide', save)
  onScopeDispose(save)
  drafts.prune()

  function clear(): void {
    Object.assign(draft, { ...EMPTY_DRAFT, note: draft.note, whisper: draft.whisper })
    save()
  }

  return { draft, clear, save }
}
