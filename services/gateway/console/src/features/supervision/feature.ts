import { Monitor } from '@element-plus/icons-vue'
import { defineFeature } from '@/app/feature'

export default defineFeature({
  name: 'supervision',
  order: 20,
  permission: 'board.read',
  routes: [
    { path: '/supervision', name: 'supervision', component: () => import('./BoardView.vue'), meta: { title: 'supervision.title' } },
    { path: '/wall', name: 'wall', component: () => import('./WallView.vue'), meta: { title: 'supervision.wall.title', bare: true } },
  ],
  nav: [{ icon: Monitor, labelKey: 'supervision.nav', to: '/supervision' }],
})
