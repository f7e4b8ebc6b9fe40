import { DataAnalysis } from '@element-plus/icons-vue'
import { defineFeature } from '@/app/feature'

export default defineFeature({
  name: 'reports',
  order: 60,
  permission: 'report.read',
  routes: [
    { path: '/reports', name: 'reports', component: () => import('./ReportsView.vue'), meta: { title: 'reports.title' } },
  ],
  nav: [{ icon: DataAnalysis, labelKey: 'reports.nav', to: '/reports' }],
})
