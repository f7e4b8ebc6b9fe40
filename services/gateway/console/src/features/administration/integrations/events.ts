/** The events that a webhook can ask for, by what they are about. Names are those of the contract. */
import { t, te } from '@/app/i18n'

export const EVENT_GROUPS: { name: string; events: string[] }[] = [
  {
    name: 'conversation',
    events: ['conversation_created', 'state_changed', 'conversation_updated', 'conversation_rated'].map((name) => `yunsong.conversation.v1.${name}`),
  },
  {
    name: 'message',
    events: ['message_posted', 'message_edited', 'message_recalled', 'messages_read', 'delivery_changed'].map((name) => `yunsong.conversation.v1.${name}`),
  },
  { name: 'contact', events: ['contact_changed', 'contact_erased'].map((name) => `yunsong.conversation.v1.${name}`) },
  { name: 'dispatch', events: ['work_item_changed', 'sla_changed', 'agent_changed', 'queue_changed'].map((name) => `yunsong.router.v1.${name}`) },
  { name: 'quality', events: ['inspection_completed', 'alert_raised'].map((name) => `yunsong.qa.v1.${name}`) },
  {
    name: 'other',
    events: ['yunsong.bot.v1.question_handled', 'yunsong.bot.v1.knowledge_changed', 'yunsong.channel.v1.inbox_changed', 'yunsong.channel.v1.delivery_died', 'yunsong.gateway.v1.user_changed'],
  },
]

/** "yunsong.conversation.v1.message_posted" in words. */
export function eventText(type: string): string {
  const key = `administration.events.${type.split('.').at(-1)}`
  return te(key) ? t(key) : type
}
