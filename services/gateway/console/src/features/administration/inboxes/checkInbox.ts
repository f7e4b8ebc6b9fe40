/** What can be told of an inbox before the server is asked. */
import { t } from '@/app/i18n'
import type { FieldErrors } from '../common/violations'
import type { InboxDraft } from './calls'

const ORIGIN = /^https?:\/\/[^/\s?#]+$/
const SLUG = /^[a-z0-9]+(?:[_-][a-z0-9]+)*$/

export function checkInbox(draft: InboxDraft): FieldErrors {
  const errors: FieldErrors = {}
  if (!draft.name.trim()) errors.name = t('violations.REQUIRED')
  const wrong = draft.allowed_origins.find((origin) => !ORIGIN.test(origin))
  if (wrong) errors.allowed_origins = t('administration.inboxes.originWrong', { origin: wrong })
  if (draft.idle_close_s > 0 && draft.idle_reminder_s >= draft.idle_close_s) errors.idle_reminder_s = t('administration.inboxes.reminderLate')
  draft.widget.pre_chat.forEach((field, index) => {
    const path = `widget.pre_chat[${index}]`
    if (!SLUG.test(field.name)) errors[`${path}.name`] = t('administration.widget.fieldNameWrong')
    else if (draft.widget.pre_chat.findIndex((one) => one.name === field.name) !== index) errors[`${path}.name`] = t('administration.widget.fieldNameTwice')
    if (field.type === 'select' && field.options.length === 0) errors[`${path}.options`] = t('administration.widget.optionsMissing')
  })
  return errors
}
