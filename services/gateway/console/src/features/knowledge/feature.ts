import { Collection } from '@element-plus/icons-vue'
import { defineFeature } from '@/app/feature'

export default defineFeature({
  name: 'knowledge',
  order: 40,
  permission: 'knowledge.read',
  routes: [
    { path: '/knowledge', name: 'knowledge', component: () => import('./KnowledgeView.vue'), meta: { title: 'knowledge.title' } },
    {
      path: '/knowledge/settings',
      name: 'bot-settings',
      component: () => import('./BotSettingsView.vue'),
      meta: { title: 'knowledge.settings.title', permission: 'knowledge.write' },
    },
  ],
  nav: [{ icon: Collection, labelKey: 'knowledge.nav', to: '/knowledge' }],
})
