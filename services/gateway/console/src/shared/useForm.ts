import { ref, type Ref } from 'vue'
import { ApiProblem } from '@/api/problem'
import { problemText, violationText } from './problems'

export interface FormProblems {
  /** The error of a field by its path in the request, for `<el-form-item :error="problems.of('queue.name')">`. */
  of: (field: string) => string
  /** What belongs to no field that was asked for, or the failure as a whole; empty when all is well. */
  general: Ref<string>
  working: Ref<boolean>
  /** Does it and sorts a refusal to its fields; true when it succeeded. */
  submit: (work: () => Promise<unknown>) => Promise<boolean>
  clear: () => void
}

/** Shows a server's refusal at the fields of a form. `fields` are the paths the form shows. */
export function useForm(fields: readonly string[] = []): FormProblems {
  const errors = ref<Record<string, string>>({})
  const general = ref('')
  const working = ref(false)

  function clear(): void {
    errors.value = {}
    general.value = ''
  }

  async function submit(work: () => Promise<unknown>): Promise<boolean> {
    clear()
    working.value = true
    try {
      await work()
      return true
    } catch (error) {
      sort(error)
      return false
    } finally {
      working.value = false
    }
  }

  function sort(error: unknown): void {
    const violations = error instanceof ApiProblem ? error.violations : []
    for (const one of violations) if (fields.includes(one.field)) errors.value[one.field] = violationText(one)
    const rest = violations.filter((one) => !fields.includes(one.field))
    if (!violations.length) general.value = problemText(error)
    else general.value = rest.map((one) => `${one.field}: ${violationText(one)}`).join('\n')
  }

  return { of: (field) => errors.value[field] ?? '', general, working, submit, clear }
}
