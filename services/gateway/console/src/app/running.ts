/** Starts what features do in the background after sign-in, and ends it at sign-out. */
import { features } from './features'
import { live } from '@/api/socket'
import { useMe } from './me'

let started: Promise<void> | null = null
// New rights show at once; what they no longer allow is refused by the server anyway.
live.onRightsChanged(() => {
  if (started) void useMe().load().catch(() => undefined)
})

export function startFeatures(): Promise<void> {
  started ??= start()
  return started
}

async function start(): Promise<void> {
  const me = useMe()
  live.start(me.user?.id ?? '')
  for (const feature of features) if (me.can(feature.permission)) await feature.start?.()
}

export function stopFeatures(): void {
  if (!started) return
  started = null
  for (const feature of features) feature.stop?.()
  live.stop()
}
