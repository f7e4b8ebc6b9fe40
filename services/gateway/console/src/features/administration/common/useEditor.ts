/** The draft of something that is stored: what changed, what is wrong with it, and what somebody else changed meanwhile. */
import { computed, ref, shallowRef, type ComputedRef, type Ref, type ShallowRef } from 'vue'
import { ApiProblem } from '@/api/problem'
import { changedFields, conflictingFields } from './changes'
import { errorAt, fieldErrors, problemSentence, type FieldErrors } from './violations'

export interface EditorOptions<T extends object> {
  fields: readonly (keyof T & string)[]
  read: () => Promise<T>
  write: (draft: T, changed: (keyof T & string)[]) => Promise<T>
  /** The name of the message that the values travel in, as violations name it. */
  wrapper: string
  /** What can be told before asking the server. */
  check?: (draft: T) => FieldErrors
  /** Asks whose change stays; false leaves the form as it is. */
  onConflict: (fields: string[]) => Promise<'mine' | 'theirs' | 'neither'>
}

export interface Editor<T> {
  draft: Ref<T | null>
  problem: ShallowRef<unknown>
  loading: Ref<boolean>
  saving: Ref<boolean>
  dirty: ComputedRef<boolean>
  summary: Ref<string>
  at: (field: string) => string | undefined
  /** True when it is stored. */
  save: () => Promise<boolean>
  reset: () => void
  load: () => Promise<void>
}

export function useEditor<T extends object>(options: EditorOptions<T>): Editor<T> {
  const original = shallowRef<T | null>(null)
  const draft = ref<T | null>(null) as Ref<T | null>
  const problem = shallowRef<unknown>(null)
  const loading = ref(false)
  const saving = ref(false)
  const errors = ref<FieldErrors>({})
  const summary = ref('')
  const changed = computed(() =>
    original.value && draft.value ? changedFields(original.value, draft.value, options.fields) : [],
  )

  function accept(stored: T): void {
    original.value = stored
    draft.value = copy(stored)
    errors.value = {}
    summary.value = ''
  }

  async function load(): Promise<void> {
    loading.value = true
    try {
      accept(await options.read())
      problem.value = null
    } catch (error) {
      problem.value = error
    } finally {
      loading.value = false
    }
  }

  /** Reads again and settles what both changed. True when saving can go on. */
  async function settle(): Promise<boolean> {
    const current: T = await options.read()
    const mine = draft.value as T
    const before = original.value as T
    const conflicts = conflictingFields(before, mine, current, options.fields)
    const choice = conflicts.length > 0 ? await options.onConflict(conflicts) : 'mine'
    if (choice === 'neither') return false
    const kept = changedFields(before, mine, options.fields).filter((name) => choice === 'mine' || !conflicts.includes(name))
    const merged: T = copy(current)
    for (const name of kept) merged[name] = mine[name]
    original.value = current
    draft.value = merged
    return true
  }

  async function save(): Promise<boolean> {
    if (!draft.value || saving.value) return false
    errors.value = options.check?.(draft.value) ?? {}
    summary.value = Object.values(errors.value)[0] ?? ''
    if (summary.value) return false
    saving.value = true
    try {
      if (!(await settle())) return false
      if (changed.value.length > 0) accept(await options.write(copy(draft.value), changed.value))
      return true
    } catch (error) {
      if (!(error instanceof ApiProblem)) throw error
      errors.value = fieldErrors(error, options.wrapper)
      summary.value = problemSentence(error)
      return false
    } finally {
      saving.value = false
    }
  }

  function reset(): void {
    if (original.value) accept(original.value)
  }

  return {
    draft,
    problem,
    loading,
    saving,
    dirty: computed(() => changed.value.length > 0),
    summary,
    at: (field) => errorAt(errors.value, field),
    save,
    reset,
    load,
  }
}

function copy<T>(value: T): T {
  return JSON.parse(JSON.stringify(value)) as T
}
