import { Medal } from '@element-plus/icons-vue'
import { defineFeature } from '@/app/feature'

export default defineFeature({
  name: 'quality',
  order: 50,
  permission: 'inspection.read',
  routes: [
    {
      path: '/quality',
      component: () => import('./QualityView.vue'),
      children: [
        { path: '', name: 'inspections', component: () => import('./InspectionsView.vue'), meta: { title: 'quality.inspections.title' } },
        { path: 'scorecards', name: 'scorecards', component: () => import('./ScorecardsView.vue'), meta: { title: 'quality.scorecards.title' } },
        { path: 'rules', name: 'rules', component: () => import('./RulesView.vue'), meta: { title: 'quality.rules.title' } },
      ],
    },
    { path: '/quality/inspections/:id', name: 'inspection', component: () => import('./InspectionView.vue'), props: true, meta: { title: 'quality.inspection.title' } },
  ],
  nav: [{ icon: Medal, labelKey: 'quality.nav', to: '/quality' }],
})
