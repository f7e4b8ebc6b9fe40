/** What a board adds up from its queues and agents. */
import type { Schema } from '@/api/client'

export type QueueBoard = Schema<'QueueBoard'>
export type Agent = Schema<'Agent'>
export type Board = Schema<'Board'>

/** Where an agent stands for a supervisor: what it says of itself, or that it is lost. */
export type AgentState = 'online' | 'full' | 'away' | 'busy' | 'offline'

export function stateOf(agent: Agent): AgentState {
  if (!agent.connected) return 'offline'
  if (agent.presence === 'online') return agent.load >= agent.capacity ? 'full' : 'online'
  if (agent.presence === 'away') return 'away'
  return agent.presence === 'busy' ? 'busy' : 'offline'
}

export const TONES = { online: 'good', full: 'accent', away: 'warn', busy: 'bad', offline: 'quiet' } as const
const ORDER: readonly AgentState[] = ['full', 'online', 'busy', 'away', 'offline']

/** Those who work first, the fullest first; then by name. */
export function ordered(agents: readonly Agent[]): Agent[] {
  const place = (agent: Agent) => ORDER.indexOf(stateOf(agent))
  return agents
    .filter((agent) => agent.enabled)
    .sort((one, other) => place(one) - place(other) || other.load - one.load || one.name.localeCompare(other.name))
}

export interface Totals {
  waiting: number
  longestWait: number
  active: number
  agentsOnline: number
  agentsFree: number
  agentsAway: number
}

export function totalsOf(queues: readonly QueueBoard[], agents: readonly Agent[]): Totals {
  const states = agents.filter((agent) => agent.enabled).map(stateOf)
  const count = (...wanted: AgentState[]) => states.filter((state) => wanted.includes(state)).length
  return {
    waiting: sum(queues.map((queue) => queue.waiting)),
    longestWait: Math.max(0, ...queues.map((queue) => queue.longest_wait_s)),
    active: sum(queues.map((queue) => queue.active)),
    agentsOnline: count('online', 'full'),
    agentsFree: count('online'),
    agentsAway: count('away', 'busy'),
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}

/** A queue's newer board in the place of the older; an older one is dropped. */
export function withBoard(queues: readonly QueueBoard[], newer: QueueBoard): QueueBoard[] {
  const known = queues.find((queue) => queue.queue_id === newer.queue_id)
  if (known && known.rev > newer.rev) return [...queues]
  if (!known) return [...queues, newer]
  return queues.map((queue) => (queue.queue_id === newer.queue_id ? newer : queue))
}

export type Urgency = 'calm' | 'warn' | 'late'

/** How a wait looks: late from two minutes, a warning from one, unless the queue promises otherwise. */
export function urgencyOf(waitS: number, promiseS = 120): Urgency {
  if (waitS >= promiseS) return 'late'
  return waitS >= promiseS / 2 ? 'warn' : 'calm'
}
