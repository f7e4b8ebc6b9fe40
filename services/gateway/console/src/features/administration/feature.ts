import { Setting } from '@element-plus/icons-vue'
import type { RouteRecordRaw } from 'vue-router'
import { defineFeature } from '@/app/feature'
import { ANY_PERMISSION, SECTIONS } from './sections'

const views: Record<string, () => Promise<unknown>> = {
  inboxes: () => import('./inboxes/InboxList.vue'),
  deliveries: () => import('./inboxes/DeliveryList.vue'),
  users: () => import('./team/UserList.vue'),
  roles: () => import('./team/RoleList.vue'),
  agents: () => import('./team/AgentTable.vue'),
  'presence-reasons': () => import('./team/PresenceReasons.vue'),
  queues: () => import('./queues/QueueList.vue'),
  skills: () => import('./queues/SkillList.vue'),
  'channel-weights': () => import('./queues/ChannelWeights.vue'),
  'quick-replies': () => import('./content/QuickReplies.vue'),
  'saved-views': () => import('./content/SavedViews.vue'),
  labels: () => import('./content/LabelList.vue'),
  'wrap-up-categories': () => import('./content/WrapUpCategories.vue'),
  'api-keys': () => import('./integrations/ApiKeyList.vue'),
  webhooks: () => import('./integrations/WebhookList.vue'),
  business: () => import('./system/BusinessSettings.vue'),
  audit: () => import('./system/AuditLog.vue'),
  state: () => import('./system/SystemState.vue'),
  'dead-letters': () => import('./system/DeadLetters.vue'),
}

/** Views of one thing, below their section. */
const details: { path: string; section: string; view: () => Promise<unknown> }[] = [
  { path: 'inboxes/new', section: 'inboxes', view: () => import('./inboxes/InboxCreate.vue') },
  { path: 'inboxes/:id', section: 'inboxes', view: () => import('./inboxes/InboxEdit.vue') },
  { path: 'queues/new', section: 'queues', view: () => import('./queues/QueueEdit.vue') },
  { path: 'queues/:id', section: 'queues', view: () => import('./queues/QueueEdit.vue') },
  { path: 'roles/new', section: 'roles', view: () => import('./team/RoleEdit.vue') },
  { path: 'roles/:id', section: 'roles', view: () => import('./team/RoleEdit.vue') },
  { path: 'webhooks/:id', section: 'webhooks', view: () => import('./integrations/WebhookDetail.vue') },
]

function child(path: string, section: string, component: () => Promise<unknown>): RouteRecordRaw {
  const permission = SECTIONS.find((one) => one.name === section)?.permission
  return {
    path,
    component: component as () => Promise<{ default: object }>,
    meta: { ...(permission ? { permission } : {}), title: `administration.sections.${section}` },
  }
}

export default defineFeature({
  name: 'administration',
  order: 90,
  // The quick replies are open to agents too; every other view names what it asks for.
  permission: ['conversation.write', ...ANY_PERMISSION],
  nav: [{ icon: Setting, labelKey: 'administration.nav', to: '/admin', permission: ANY_PERMISSION }],
  routes: [
    {
      path: '/admin',
      component: () => import('./AdministrationView.vue'),
      meta: { title: 'administration.nav' },
      children: [
        { path: '', component: () => import('./StartView.vue') },
        ...Object.entries(views).map(([section, view]) => child(section, section, view)),
        ...details.map(({ path, section, view }) => child(path, section, view)),
      ],
    },
  ],
})
