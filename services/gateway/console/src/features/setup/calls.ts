/** What the first steps read and make. They ask what is there already, so a setup that was left goes on where it stood. */
import { api, ApiProblem, take, type Schema } from '@/api/client'

export interface Found {
  business: Schema<'Business'>
  queues: Schema<'Queue'>[]
  inboxes: Schema<'Inbox'>[]
  users: Schema<'User'>[]
}

export const STEPS = ['business', 'queue', 'inbox', 'people'] as const
export type Step = (typeof STEPS)[number]

export async function isSetUp(): Promise<boolean> {
  return (await take(api.GET('/api/v1/business'))).setup_done_at !== null
}

export async function look(signal?: AbortSignal): Promise<Found> {
  const [business, { queues }, { inboxes }, { users }] = await Promise.all([
    take(api.GET('/api/v1/business', { signal })),
    take(api.GET('/api/v1/queues', { signal })),
    take(api.GET('/api/v1/inboxes', { signal })),
    take(api.GET('/api/v1/users', { signal, params: { query: { page_size: 200 } } })),
  ])
  return { business, queues, inboxes, users }
}

export function isDone(step: Step, found: Found): boolean {
  if (step === 'business') return found.business.name !== ''
  if (step === 'queue') return found.queues.length > 0
  if (step === 'inbox') return found.inboxes.length > 0
  return found.users.length > 1
}

/** Where to go on; after the last step when everything is there. */
export function firstOpen(found: Found): number {
  const index = STEPS.findIndex((step) => !isDone(step, found))
  return index < 0 ? STEPS.length : index
}

export async function finish(): Promise<void> {
  await take(api.PATCH('/api/v1/business', { body: { setup_done: true } }))
}

const AGENTS_WITHIN_MS = 10_000
const LOOK_AGAIN_MS = 200

/** Adds agents to a queue. The router hears of a new user a moment later than its creator, so this waits for it. */
export async function addMembers(queueId: string, userIds: string[]): Promise<void> {
  const deadline = Date.now() + AGENTS_WITHIN_MS
  for (;;) {
    try {
      const { agents } = await take(api.GET('/api/v1/agents'))
      const members = agents.filter((agent) => agent.queue_ids.includes(queueId)).map((agent) => agent.id)
      const body = { agent_ids: [...new Set([...members, ...userIds])] }
      await take(api.PUT('/api/v1/queues/{queue_id}/members', { params: { path: { queue_id: queueId } }, body }))
      return
    } catch (error) {
      if (!(error instanceof ApiProblem) || error.code !== 'AGENT_UNKNOWN' || Date.now() > deadline) throw error
      await new Promise((done) => setTimeout(done, LOOK_AGAIN_MS))
    }
  }
}
