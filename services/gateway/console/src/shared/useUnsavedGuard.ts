import { useEventListener } from '@vueuse/core'
import { ElMessageBox } from 'element-plus/es/components/message-box/index'
import { onBeforeRouteLeave, onBeforeRouteUpdate } from 'vue-router'
import { t } from '@/app/i18n'

/** Asks before a view with changes that are not saved is left or closed. */
export function useUnsavedGuard(isDirty: () => boolean): void {
  async function mayLeave(): Promise<boolean> {
    if (!isDirty()) return true
    const answer = ElMessageBox.confirm(t('shared.unsaved'), '', {
      confirmButtonText: t('shared.leave'),
      cancelButtonText: t('shared.stay'),
    })
    return answer.then(
      () => true,
      () => false,
    )
  }
  onBeforeRouteLeave(mayLeave)
  onBeforeRouteUpdate(mayLeave)
  useEventListener(window, 'beforeunload', (event) => {
    if (isDirty()) event.preventDefault()
  })
}
