/** Marks as read what the assignee has really had before the eyes: the end of the thread in a page that has the focus. */
import { useEventListener, useThrottleFn } from '@vueuse/core'
import { onScopeDispose, watch } from 'vue'
import { live } from '@/api/socket'
import type { Conversation } from '../model/types'
import { useDesk } from '../stores/desk'

const AT_MOST_EVERY_MS = 700

export function useReadMark(conversation: () => Conversation, newest: () => number, atEnd: () => boolean): void {
  const desk = useDesk()
  let stopped = false
  const mark = useThrottleFn(
    () => {
      const one = conversation()
      const rev = newest()
      const isSeen = !stopped && document.visibilityState === 'visible' && document.hasFocus() && atEnd()
      if (!isSeen || one.assignee_id !== desk.myId || !one.unread_count || rev <= one.agent_read_rev) return
      void live.markRead(one.id, rev)
    },
    AT_MOST_EVERY_MS,
    true,
  )
  watch([newest, atEnd, () => conversation().id, () => conversation().unread_count, live.state], () => void mark(), { immediate: true, flush: 'post' })
  useEventListener(window, 'focus', () => void mark())
  onScopeDispose(() => (stopped = true))
}
