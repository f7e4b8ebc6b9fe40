/** What can be told of a queue before the server is asked. */
import { t } from '@/app/i18n'
import type { FieldErrors } from '../common/violations'
import type { QueueDraft } from './calls'
import { faultsOf, weekOf } from './hours'

export function checkQueue(draft: QueueDraft): FieldErrors {
  const errors: FieldErrors = {}
  if (!draft.name.trim()) errors.name = t('violations.REQUIRED')
  if (faultsOf(weekOf(draft.hours)).length) errors.hours = t('administration.hours.wrong')
  draft.holidays.forEach((holiday, index) => {
    if (!/^\d{4}-\d{2}-\d{2}$/.test(holiday.date)) errors[`holidays[${index}]`] = t('administration.holidays.dateMissing')
    else if (draft.holidays.findIndex((one) => one.date === holiday.date) !== index) errors[`holidays[${index}]`] = t('administration.holidays.twice')
    else if (Boolean(holiday.from) !== Boolean(holiday.to)) errors[`holidays[${index}]`] = t('administration.holidays.halfOpen')
  })
  draft.relaxation.forEach((step, index) => {
    const before = draft.relaxation[index - 1]
    if (step.after_s < 1 || (before && step.after_s <= before.after_s)) errors[`relaxation[${index}]`] = t('administration.relaxation.order')
  })
  if (draft.sla.warn_before_s > 0 && draft.sla.first_response_s > 0 && draft.sla.warn_before_s >= draft.sla.first_response_s) errors['sla.warn_before_s'] = t('administration.queues.warnLate')
  return errors
}
