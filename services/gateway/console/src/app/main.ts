import { createPinia } from 'pinia'
import { createApp } from 'vue'
import { onSessionChange, takeTokenFromAddress, tokens } from '@/api/session'
import App from './App.vue'
import { reportFault } from './faults'
import { i18n, preferredLocale, setLocale, t } from './i18n'
import { documentTitle, router } from './router'
import { followTheme } from './theme'
import 'element-plus/theme-chalk/base.css'
import 'element-plus/theme-chalk/dark/css-vars.css'
import 'element-plus/theme-chalk/el-message.css'
import 'element-plus/theme-chalk/el-message-box.css'
import 'element-plus/theme-chalk/el-notification.css'
import 'element-plus/theme-chalk/el-overlay.css'
import 'element-plus/theme-chalk/el-loading.css'
import './style.css'

const locale = setLocale(preferredLocale(), false)
const fromProvider = takeTokenFromAddress().catch(() => false)
followTheme()

const app = createApp(App)
app.config.errorHandler = reportFault
app.use(createPinia()).use(i18n)

await Promise.all([locale, fromProvider])
// The router looks at the session first, so it starts when that is known.
app.use(router)
router.afterEach((to) => {
  document.title = documentTitle(to)
})
router.onError(reportFault)

// One session for all tabs: signing out, in, or as another person in one tab shows in the others.
let userId = tokens()?.userId
onSessionChange((now) => {
  if (now?.userId === userId) return
  const was = userId
  userId = now?.userId
  if (was) location.assign(now ? '/' : `/sign-in?ended=${encodeURIComponent(location.pathname + location.search)}`)
})

await router.isReady().catch(reportFault)
document.title = documentTitle(router.currentRoute.value)
app.mount('#app')
// The name of the product in the language that was chosen since.
void t
