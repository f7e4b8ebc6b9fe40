import { defineFeature } from '@/app/feature'
import { isSetUp } from './calls'

export default defineFeature({
  name: 'setup',
  order: 950,
  permission: 'business.write',
  routes: [{ path: '/setup', name: 'setup', component: () => import('./SetupView.vue'), meta: { bare: true, title: 'setup.title' } }],
  landing: async () => ((await isSetUp()) ? undefined : { name: 'setup' }),
})
