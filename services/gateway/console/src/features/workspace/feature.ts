import { ChatDotRound } from '@element-plus/icons-vue'
import { defineAsyncComponent } from 'vue'
import { defineFeature } from '@/app/feature'
import { useDesk } from './stores/desk'
import { useDirectory } from './stores/directory'
import { useFeed } from './stores/feed'
import { useList } from './stores/list'
import { useNotices } from './stores/notices'

export default defineFeature({
  name: 'workspace',
  order: 10,
  permission: 'conversation.read',
  routes: [
    {
      path: '/workspace/:conversationId?',
      name: 'workspace',
      component: () => import('./views/WorkspaceView.vue'),
      meta: { title: 'workspace.title' },
    },
  ],
  nav: [{ icon: ChatDotRound, labelKey: 'workspace.title', to: '/workspace', badge: () => useNotices().badge }],
  slots: { presence: defineAsyncComponent(() => import('./presence/PresenceSwitch.vue')) },
  async start() {
    void useDirectory().load()
    await useFeed().start()
    void useDesk().loadMine().catch(() => undefined)
    useList().start()
    useNotices().start()
  },
  stop() {
    useNotices().stop()
    useList().stop()
    useFeed().stop()
    useDesk().clear()
  },
})
