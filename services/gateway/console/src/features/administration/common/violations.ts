/** What the server found wrong, per field of a form. */
import { ref, type Ref } from 'vue'
import { ApiProblem } from '@/api/problem'
import { t, te } from '@/app/i18n'

export type FieldErrors = Record<string, string>

/** Violations by field path without the message that the form's values travel in: "queue.hours[0].from" is "hours[0].from". */
export function fieldErrors(problem: unknown, wrapper: string): FieldErrors {
  if (!(problem instanceof ApiProblem)) return {}
  const found: FieldErrors = {}
  for (const { field, reason, description } of problem.violations) {
    const path = field.startsWith(`${wrapper}.`) ? field.slice(wrapper.length + 1) : field
    found[path] ??= violationText(reason, description)
  }
  const field = FIELD_OF_CODE[problem.code]
  if (field) found[field] ??= problemSentence(problem)
  return found
}

/** The error at a field or inside of it; undefined for none. */
export function errorAt(errors: FieldErrors, field: string): string | undefined {
  if (errors[field]) return errors[field]
  return Object.entries(errors).find(([path]) => path.startsWith(`${field}.`) || path.startsWith(`${field}[`))?.[1]
}

/** Codes that speak of one field without naming it. */
const FIELD_OF_CODE: Record<string, string> = {
  INBOX_NAME_TAKEN: 'name',
  QUEUE_NAME_TAKEN: 'name',
  LABEL_NAME_TAKEN: 'name',
  CATEGORY_NAME_TAKEN: 'name',
  USERNAME_TAKEN: 'username',
  SHORTCUT_TAKEN: 'shortcut',
  ROLE_ABOVE_OWN: 'roles',
  PERMISSION_ABOVE_OWN: 'permissions',
  WEBHOOK_URL_REFUSED: 'url',
  OVERFLOW_CYCLE: 'overflow_queue_id',
  EXPIRY_PAST: 'expires_at',
}

/** A sentence that says what was wrong and what to do. */
export function problemSentence(problem: unknown): string {
  if (!(problem instanceof ApiProblem)) return t('problems.unknown')
  for (const key of [`administration.problems.${problem.code}`, `problems.${problem.code}`]) if (te(key)) return t(key)
  if (problem.violations.length > 0) return t('problems.INVALID_REQUEST')
  return problem.detail || t('problems.unknown')
}

function violationText(reason: string, description: string): string {
  const key = `violations.${reason}`
  return te(key) ? t(key) : description
}

/** The errors of a form that lives in a dialog. */
export function useFieldErrors(wrapper: string): {
  errors: Ref<FieldErrors>
  summary: Ref<string>
  take: (problem: unknown) => void
  clear: () => void
  at: (field: string) => string | undefined
} {
  const errors = ref<FieldErrors>({})
  const summary = ref('')
  return {
    errors,
    summary,
    take(problem) {
      if (!(problem instanceof ApiProblem)) throw problem
      errors.value = fieldErrors(problem, wrapper)
      summary.value = problemSentence(problem)
    },
    clear() {
      errors.value = {}
      summary.value = ''
    },
    at: (field) => errorAt(errors.value, field),
  }
}
