/** Queues, the skills they ask for, and the agents who serve them. */
import { api, take, type Schema } from '@/api/client'
import { allPages } from '../common/allPages'

export type Queue = Schema<'Queue'>
export type Agent = Schema<'Agent'>
export type Skill = Schema<'Skill'>

/** A queue as its form holds it: nothing that is filled in is missing. */
export type QueueDraft = Omit<Queue, 'sla'> & { sla: Schema<'Sla'> }

const RULE_FIELDS = [
  'name',
  'priority',
  'strategy',
  'strategy_name',
  'requires_accept',
  'offer_timeout_s',
  'max_wait_s',
  'overflow_queue_id',
  'last_agent_s',
  'time_zone',
  'hours',
  'holidays',
  'relaxation',
  'sla',
  'required_skills',
] as const
export const QUEUE_FIELDS = [...RULE_FIELDS, 'member_ids'] as const

export function newQueue(time_zone: string): QueueDraft {
  return {
    id: '',
    name: '',
    priority: 50,
    strategy: 'least_loaded',
    strategy_name: '',
    requires_accept: true,
    offer_timeout_s: 20,
    max_wait_s: 0,
    overflow_queue_id: '',
    last_agent_s: 0,
    time_zone,
    hours: [],
    holidays: [],
    relaxation: [],
    sla: { first_response_s: 60, next_response_s: 0, warn_before_s: 15 },
    required_skills: {},
    open: true,
    next_open_at: null,
    member_ids: [],
    created_at: null,
  }
}

function draftOf(queue: Queue): QueueDraft {
  const strategy = queue.strategy === 'unspecified' ? 'least_loaded' : queue.strategy
  return { ...queue, strategy, sla: queue.sla ?? { first_response_s: 0, next_response_s: 0, warn_before_s: 0 } }
}

function inputOf(draft: QueueDraft): Schema<'QueueInput'> {
  return Object.fromEntries(RULE_FIELDS.map((field) => [field, draft[field]])) as Schema<'QueueInput'>
}

export function listQueues(): Promise<Queue[]> {
  return allPages(async (page_token) => {
    const answer = await take(api.GET('/api/v1/queues', { params: { query: { page_size: 200, page_token } } }))
    return { items: answer.queues, next: answer.next_page_token }
  })
}

export async function readQueue(queue_id: string): Promise<QueueDraft> {
  return draftOf(await take(api.GET('/api/v1/queues/{queue_id}', { params: { path: { queue_id } } })))
}

export async function createQueue(draft: QueueDraft): Promise<QueueDraft> {
  const made = await take(api.POST('/api/v1/queues', { body: inputOf(draft) }))
  return draft.member_ids.length ? setMembers(made.id, draft.member_ids) : draftOf(made)
}

export async function writeQueue(draft: QueueDraft, changed: readonly string[]): Promise<QueueDraft> {
  const rules = changed.filter((field) => field !== 'member_ids')
  let stored = draft
  if (rules.length) {
    const body = { queue: inputOf(draft), update_mask: rules.join(',') }
    stored = draftOf(await take(api.PATCH('/api/v1/queues/{queue_id}', { params: { path: { queue_id: draft.id } }, body })))
  }
  return changed.includes('member_ids') ? setMembers(draft.id, draft.member_ids) : stored
}

async function setMembers(queue_id: string, agent_ids: string[]): Promise<QueueDraft> {
  return draftOf(await take(api.PUT('/api/v1/queues/{queue_id}/members', { params: { path: { queue_id } }, body: { agent_ids } })))
}

export function deleteQueue(queue_id: string): Promise<unknown> {
  return take(api.DELETE('/api/v1/queues/{queue_id}', { params: { path: { queue_id } } }))
}

export function listAgents(): Promise<Agent[]> {
  return allPages(async (page_token) => {
    const answer = await take(api.GET('/api/v1/agents', { params: { query: { page_size: 200, page_token } } }))
    return { items: answer.agents, next: answer.next_page_token }
  })
}

export async function listSkills(): Promise<Skill[]> {
  return (await take(api.GET('/api/v1/skills'))).skills
}
