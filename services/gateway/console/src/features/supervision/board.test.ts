import { describe, expect, it } from 'vitest'
import { ordered, stateOf, totalsOf, urgencyOf, withBoard, type Agent, type QueueBoard } from './board'

const agent = (part: Partial<Agent>): Agent =>
  ({ id: part.name, name: 'a', connected: true, presence: 'online', capacity: 3, load: 0, enabled: true, ...part }) as Agent
const queue = (part: Partial<QueueBoard>): QueueBoard => ({ queue_id: 'q', waiting: 0, longest_wait_s: 0, active: 0, rev: 1, ...part }) as QueueBoard

describe('the board', () => {
  it('tells agents apart', () => {
    expect(stateOf(agent({}))).toBe('online')
    expect(stateOf(agent({ load: 3 }))).toBe('full')
    expect(stateOf(agent({ presence: 'away' }))).toBe('away')
    expect(stateOf(agent({ presence: 'online', connected: false }))).toBe('offline')
  })

  it('puts those who work first and leaves out the disabled', () => {
    const names = ordered([
      agent({ name: 'gone', connected: false }),
      agent({ name: 'free' }),
      agent({ name: 'full', load: 3 }),
      agent({ name: 'former', enabled: false }),
    ]).map((one) => one.name)
    expect(names).toEqual(['full', 'free', 'gone'])
  })

  it('adds up queues and agents', () => {
    const totals = totalsOf([queue({ waiting: 2, longest_wait_s: 10 }), queue({ waiting: 1, longest_wait_s: 90, active: 4 })], [agent({}), agent({ load: 3 }), agent({ presence: 'busy' })])
    expect(totals).toEqual({ waiting: 3, longestWait: 90, active: 4, agentsOnline: 2, agentsFree: 1, agentsAway: 1 })
    expect(totalsOf([], []).longestWait).toBe(0)
  })

  it('takes newer boards only', () => {
    const queues = [queue({ rev: 5, waiting: 1 })]
    expect(withBoard(queues, queue({ rev: 4, waiting: 9 }))[0]?.waiting).toBe(1)
    expect(withBoard(queues, queue({ rev: 6, waiting: 2 }))[0]?.waiting).toBe(2)
    expect(withBoard(queues, queue({ queue_id: 'new' }))).toHaveLength(2)
  })

  it('shows when a wait grows late', () => {
    expect([urgencyOf(10), urgencyOf(60), urgencyOf(120), urgencyOf(20, 30)]).toEqual(['calm', 'warn', 'late', 'warn'])
  })
})
