/** The board, kept fresh: queues as they are pushed, agents and alerts read again when something moved and every few seconds. */
import { useIntervalFn, useThrottleFn } from '@vueuse/core'
import { computed, onScopeDispose, shallowRef } from 'vue'
import { api, take, type Schema } from '@/api/client'
import { live } from '@/api/socket'
import { useMe } from '@/app/me'
import { useAsync } from '@/shared/useAsync'
import { totalsOf, withBoard, type Agent, type QueueBoard } from './board'

const REFRESH_MS = 5_000
const AT_MOST_EVERY_MS = 1_500
const ALERTS = 50

export function useBoard() {
  const me = useMe()
  const queues = shallowRef<QueueBoard[]>([])
  const agents = shallowRef<Agent[]>([])
  const alerts = shallowRef<Schema<'Alert'>[]>([])
  const mayReadAlerts = me.can('alert.read')

  const reading = useAsync(async (signal) => {
    const [board, found] = await Promise.all([
      take(api.GET('/api/v1/board', { signal })),
      mayReadAlerts ? take(api.GET('/api/v1/qa/alerts', { params: { query: { page_size: ALERTS } }, signal })) : null,
    ])
    queues.value = board.queues
    agents.value = board.agents
    alerts.value = found?.alerts ?? []
    return board.read_at ?? ''
  })
  // A slow answer is waited for: beginning again each time something moves would never end under load.
  const refresh = useThrottleFn(async () => {
    if (!reading.loading.value) await reading.run()
  }, AT_MOST_EVERY_MS, true)
  useIntervalFn(() => void refresh(), REFRESH_MS)

  const leave = [
    live.followQueue('*', {
      onLive: ({ event, data }) => {
        if (event !== 'queue_board') return
        queues.value = withBoard(queues.value, data)
        void refresh()
      },
    }),
    live.onReconnect(() => void refresh()),
  ]
  if (mayReadAlerts) leave.push(live.followAlerts({ onLive: () => void refresh() }))
  onScopeDispose(() => leave.forEach((end) => end()))

  const totals = computed(() => totalsOf(queues.value, agents.value))
  return { queues, agents, alerts, totals, reading, refresh, mayReadAlerts }
}
