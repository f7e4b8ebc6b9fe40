/** What a saved view shows, in words. */
import type { Schema } from '@/api/client'
import { t } from '@/app/i18n'

export interface FilterChoices {
  queues: readonly { id: string; name: string }[]
  inboxes: readonly { id: string; name: string }[]
  labels: readonly { id: string; name: string }[]
}

export function filterText(filter: Schema<'ConversationFilter'> | null, choices: FilterChoices): string {
  if (!filter) return t('administration.views.everything')
  const named = (kind: string, id: string, from: readonly { id: string; name: string }[]): string[] =>
    id ? [t(`administration.views.parts.${kind}`, { name: from.find((one) => one.id === id)?.name ?? t('administration.views.gone') })] : []
  const parts = [
    ...(filter.states.length ? [filter.states.map((state) => t(`administration.views.states.${state}`)).join(t('administration.views.or'))] : []),
    ...(filter.assigned_to_me ? [t('administration.views.mine')] : []),
    ...(filter.mentions_me ? [t('administration.views.mentions')] : []),
    ...named('queue', filter.queue_id, choices.queues),
    ...named('inbox', filter.inbox_id, choices.inboxes),
    ...named('label', filter.label_id, choices.labels),
    ...(filter.priority !== 'unspecified' ? [t('administration.views.parts.priority', { name: t(`administration.views.priorities.${filter.priority}`) })] : []),
    ...(filter.sort !== 'unspecified' ? [t('administration.views.parts.sort', { name: t(`administration.views.sorts.${filter.sort}`) })] : []),
  ]
  return parts.join(' · ') || t('administration.views.everything')
}
