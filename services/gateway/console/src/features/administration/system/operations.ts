/** The operations that the audit log names, for people. */
import { t, te } from '@/app/i18n'

/** "yunsong.router.v1.QueueService/CreateQueue" in words. */
export function operationText(operation: string): string {
  const name = operation.split('/').at(-1) ?? operation
  const key = `administration.operations.${name}`
  return te(key) ? t(key) : name
}

/** What is looked for most, as parts of the operation's name that the server compares. */
export const OPERATION_FILTERS: { name: string; text: string }[] = [
  { name: 'signIn', text: 'SignIn' },
  { name: 'users', text: 'User' },
  { name: 'roles', text: 'Role' },
  { name: 'inboxes', text: 'Inbox' },
  { name: 'queues', text: 'QueueService' },
  { name: 'agents', text: 'AgentService' },
  { name: 'keys', text: 'ApiKey' },
  { name: 'webhooks', text: 'Webhook' },
  { name: 'contacts', text: 'Contact' },
  { name: 'knowledge', text: 'KnowledgeService' },
  { name: 'quality', text: 'qa.v1' },
]
