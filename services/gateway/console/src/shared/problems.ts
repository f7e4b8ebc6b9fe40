import { t, te } from '@/app/i18n'
import { ApiProblem, type Violation } from '@/api/problem'

/** A sentence for a person about a failure: ours for a code we know, otherwise the server's own. */
export function problemText(error: unknown): string {
  if (!(error instanceof ApiProblem)) return t('problems.unknown')
  const known = `problems.${error.code}`
  if (te(known) || te(known, 'en')) return t(known)
  if (error.status >= 500) return t('problems.INTERNAL')
  return error.detail || t('problems.unknown')
}

export function violationText(violation: Violation): string {
  const known = `violations.${violation.reason}`
  return te(known) ? t(known) : violation.description
}
