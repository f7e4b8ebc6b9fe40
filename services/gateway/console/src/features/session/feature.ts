import { defineFeature } from '@/app/feature'

export default defineFeature({
  name: 'session',
  order: 900,
  routes: [
    { path: '/sign-in', name: 'sign-in', component: () => import('./views/SignInView.vue'), meta: { open: true, title: 'session.signIn.title' } },
    { path: '/change-password', name: 'change-password', component: () => import('./views/ChangePasswordView.vue'), meta: { bare: true, title: 'session.change.title' } },
    { path: '/profile', name: 'profile', component: () => import('./views/ProfileView.vue'), meta: { title: 'session.profile.title' } },
  ],
})
