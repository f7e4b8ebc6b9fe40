import { createRouter, createWebHistory, type RouteLocationNormalized, type RouteLocationRaw, type RouteRecordRaw } from 'vue-router'
import { tokens } from '@/api/session'
import { features, isAllowed, navigation } from './features'
import { i18n } from './i18n'
import { useMe } from './me'
import { startFeatures } from './running'

const routes: RouteRecordRaw[] = features.flatMap((feature) =>
  feature.routes.map((route) => ({
    ...route,
    meta: { ...route.meta, permission: route.meta?.permission ?? feature.permission },
  })),
)

export const router = createRouter({
  history: createWebHistory(),
  routes: [
    { path: '/', component: () => import('./views/NoAccess.vue'), beforeEnter: () => home() },
    ...routes,
    { path: '/no-access', name: 'no-access', component: () => import('./views/NoAccess.vue'), meta: { title: 'app.noAccess.title' } },
    { path: '/:rest(.*)*', name: 'not-found', component: () => import('./views/NotFound.vue'), meta: { title: 'app.notFound.title' } },
  ],
  scrollBehavior: (_to, _from, saved) => saved ?? { top: 0 },
})

/** Where a feature leads who comes in, otherwise the first view that the person may open. */
export async function home(): Promise<RouteLocationRaw> {
  const me = useMe()
  for (const feature of features) {
    if (!feature.landing || !me.can(feature.permission)) continue
    // What cannot be asked now must not keep anybody from work.
    const wanted = await feature.landing().catch(() => undefined)
    if (wanted) return wanted
  }
  const first = navigation.find((entry) => isAllowed(entry.permission, me.permissions))
  return first?.to ?? { name: 'profile' }
}

router.beforeEach(async (to) => {
  if (to.meta.open) return true
  if (!tokens()) return { name: 'sign-in', query: to.fullPath === '/' ? {} : { next: to.fullPath } }
  const me = useMe()
  if (!me.me) {
    try {
      await me.load()
    } catch (error) {
      if (!tokens()) return { name: 'sign-in', query: { next: to.fullPath } }
      throw error
    }
  }
  if (me.mustChangePassword) return to.name === 'change-password' ? true : { name: 'change-password', query: { next: to.fullPath } }
  await startFeatures()
  const wanted = to.matched.map((record) => record.meta.permission)
  if (wanted.every((permission) => me.can(permission))) return true
  return { name: 'no-access', query: { from: to.fullPath }, replace: true }
})

export function documentTitle(route: RouteLocationNormalized): string {
  const title = route.meta.title ? `${i18n.global.t(route.meta.title)} · ` : ''
  return `${title}${i18n.global.t('app.name')}`
}
