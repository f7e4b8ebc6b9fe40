/** The parts of the administration, as its own navigation shows them. */
import type { Permission } from '@/app/feature'

export interface Section {
  /** The path below /admin, and the key of its name. */
  name: string
  permission: Permission
}

export interface SectionGroup {
  name: string
  sections: readonly Section[]
}

export const GROUPS: readonly SectionGroup[] = [
  {
    name: 'channels',
    sections: [
      { name: 'inboxes', permission: 'inbox.write' },
      { name: 'deliveries', permission: ['delivery.read', 'delivery.write'] },
    ],
  },
  {
    name: 'team',
    sections: [
      { name: 'users', permission: 'user.write' },
      { name: 'roles', permission: ['role.write', 'user.write'] },
      { name: 'agents', permission: 'agent.write' },
      { name: 'presence-reasons', permission: 'agent.write' },
    ],
  },
  {
    name: 'dispatch',
    sections: [
      { name: 'queues', permission: 'queue.write' },
      { name: 'skills', permission: 'queue.write' },
      { name: 'channel-weights', permission: 'queue.write' },
    ],
  },
  {
    name: 'content',
    sections: [
      { name: 'quick-replies', permission: 'conversation.write' },
      { name: 'saved-views', permission: 'saved_view.write' },
      { name: 'labels', permission: 'label.write' },
      { name: 'wrap-up-categories', permission: 'label.write' },
    ],
  },
  {
    name: 'integrations',
    sections: [
      { name: 'api-keys', permission: 'api_key.write' },
      { name: 'webhooks', permission: 'webhook.write' },
    ],
  },
  {
    name: 'system',
    sections: [
      { name: 'business', permission: 'business.write' },
      { name: 'audit', permission: 'audit.read' },
      { name: 'state', permission: 'system.read' },
      { name: 'dead-letters', permission: 'system.read' },
    ],
  },
]

export const SECTIONS: readonly Section[] = GROUPS.flatMap((group) => group.sections)

/** Who sees the administration at all: each section names what opens it, but agents keep their own quick replies beside their work. */
export const ANY_PERMISSION: readonly string[] = [
  ...new Set(SECTIONS.filter((section) => section.name !== 'quick-replies').flatMap((section) => section.permission)),
  'quick_reply.write',
]
