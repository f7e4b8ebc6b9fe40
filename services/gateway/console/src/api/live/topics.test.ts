import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Ack, Requests } from '../events'
import { ApiProblem } from '../problem'
import type { Revised } from './cursor'
import { Topics, type Changes } from './topics'

type Subscribe = Requests['subscribe']
let isOnline: boolean
let topics: Topics
let log: number[]
/** The change log; `from` is the first revision that it still has. */
let server: { head: number; from: number }
const request = vi.fn<(type: string, members: Subscribe) => Promise<Ack>>()
const read = vi.fn<(kind: string, id: string, after: number) => Promise<Changes<Revised>>>()

beforeEach(() => {
  vi.useFakeTimers()
  isOnline = true
  log = []
  server = { head: 0, from: 1 }
  request.mockReset().mockImplementation(async (_, { after_rev }) => ({
    rev: server.head,
    snapshot_required: after_rev !== undefined && (after_rev + 1 < server.from || after_rev > server.head),
  }))
  read.mockReset().mockImplementation(async (_kind, _id, after) => {
    if (after + 1 < server.from) return { events: [], head: server.head, snapshotRequired: true }
    const events = Array.from({ length: Math.min(server.head - after, 3) }, (_, index) => ({ rev: after + 1 + index }))
    return { events, head: server.head, snapshotRequired: false }
  })
  topics = new Topics({ request, isOnline: () => isOnline, read })
})

afterEach(() => vi.useRealTimers())

function push(rev: number): void {
  server.head = Math.max(server.head, rev)
  topics.take({ type: 'event', topic: 'conversation', id: 'c', rev, event: 'message_posted', data: {} })
}

async function settle(ms = 0): Promise<void> {
  await vi.advanceTimersByTimeAsync(ms)
}

const follow = (after: number | undefined, seen = log): (() => void) =>
  topics.follow('conversation', 'c', after, { onEvent: (event) => seen.push(event.rev) })

describe('following a conversation', () => {
  it('subscribes after what the caller has and gives each change once', async () => {
    server.head = 5
    follow(5)
    await settle()
    expect(request).toHaveBeenCalledWith('subscribe', { topic: 'conversation', id: 'c', after_rev: 5 })
    for (const rev of [6, 6, 7, 5]) push(rev)
    expect(log).toEqual([6, 7])
  })

  it('reads what is missing and gives it in order', async () => {
    follow(0)
    await settle()
    push(1)
    push(6)
    await settle()
    expect(log).toEqual([1, 2, 3, 4, 5, 6])
    expect(read).toHaveBeenCalledTimes(2) // two pages
  })

  it('finds by a heartbeat that the last push was lost', async () => {
    follow(0)
    await settle()
    server.head = 2
    topics.take({ type: 'heartbeat', time: '', heads: { c: 2, other: 9 } })
    expect(read).not.toHaveBeenCalled() // it may be on its way
    await settle(1_000)
    expect(log).toEqual([1, 2])
  })

  it('tries a failed read again', async () => {
    follow(0)
    await settle()
    read.mockRejectedValueOnce(ApiProblem.network())
    push(2)
    await settle()
    expect(log).toEqual([])
    await settle(250)
    expect(log).toEqual([1, 2])
  })

  it('resumes every topic from where it stands', async () => {
    follow(0)
    await settle()
    push(1)
    isOnline = false
    server.head = 4
    isOnline = true
    topics.resume()
    await settle()
    expect(request).toHaveBeenLastCalledWith('subscribe', { topic: 'conversation', id: 'c', after_rev: 1 })
    for (const rev of [2, 3, 4]) push(rev)
    expect(log).toEqual([1, 2, 3, 4])
  })

  it('waits for the connection', async () => {
    isOnline = false
    follow(0)
    await settle(60_000)
    expect(request).not.toHaveBeenCalled()
    isOnline = true
    topics.resume()
    await settle()
    push(1)
    expect(log).toEqual([1])
  })

  it('reads a snapshot when the log does not reach back', async () => {
    server = { head: 40, from: 30 }
    const onSnapshot = vi.fn().mockRejectedValueOnce(ApiProblem.network()).mockResolvedValue(41)
    topics.follow('conversation', 'c', 5, { onEvent: (event) => log.push(event.rev), onSnapshot })
    await settle()
    push(41)
    push(42)
    await settle(250)
    expect(onSnapshot).toHaveBeenCalledTimes(2)
    expect(log).toEqual([42])
  })

  it('reads a snapshot after a resync, and after a backup was restored', async () => {
    server.head = 5
    const onSnapshot = vi.fn(async () => server.head)
    topics.follow('conversation', 'c', 5, { onEvent: (event) => log.push(event.rev), onSnapshot })
    await settle()
    server = { head: 20, from: 18 }
    topics.take({ type: 'resync', topic: 'conversation', id: 'c', rev: 20 })
    await settle()
    push(21)
    expect(log).toEqual([21])
    server = { head: 3, from: 1 }
    topics.resume()
    await settle()
    push(4)
    expect(onSnapshot).toHaveBeenCalledTimes(2)
    expect(log).toEqual([21, 4])
  })

  it('shares one subscription between listeners, each with its own place', async () => {
    server.head = 5
    const other: number[] = []
    const leave = follow(5)
    await settle()
    const leaveOther = follow(2, other)
    await settle()
    expect(request).toHaveBeenCalledOnce()
    expect(other).toEqual([3, 4, 5])
    push(6)
    leave()
    push(7)
    expect(log).toEqual([6])
    expect(other).toEqual([3, 4, 5, 6, 7])
    expect(request).toHaveBeenCalledOnce()
    leaveOther()
    expect(request).toHaveBeenLastCalledWith('unsubscribe', { topic: 'conversation', id: 'c' })
  })

  it('begins "from now on" where the topic stands', async () => {
    server.head = 5
    const late: number[] = []
    follow(undefined)
    await settle()
    push(6)
    follow(undefined, late)
    push(7)
    expect(log).toEqual([6, 7])
    expect(late).toEqual([7])
  })

  it('says when it may not be followed, and tries again when it only cannot now', async () => {
    const onGone = vi.fn()
    request.mockRejectedValueOnce(new ApiProblem({ code: 'UNAVAILABLE' }, 503))
    topics.follow('conversation', 'c', 0, { onGone })
    await settle(250)
    expect(request).toHaveBeenCalledTimes(2)
    expect(onGone).not.toHaveBeenCalled()
    topics.take({ type: 'unsubscribed', topic: 'conversation', id: 'c', code: 'CONVERSATION_UNKNOWN' })
    expect(onGone).toHaveBeenCalledWith('CONVERSATION_UNKNOWN')
    request.mockRejectedValueOnce(new ApiProblem({ code: 'PERMISSION_MISSING' }, 403))
    topics.follow('conversation', 'c', 0, { onGone })
    await settle()
    expect(onGone).toHaveBeenLastCalledWith('PERMISSION_MISSING')
  })

  it('gives boards of every queue to who follows all', async () => {
    const onLive = vi.fn()
    topics.follow('queue', '*', undefined, { onLive })
    await settle()
    topics.take({ type: 'live', topic: 'queue', id: 'q1', event: 'queue_board', data: {} })
    expect(onLive).toHaveBeenCalledOnce()
  })

  it('stands a stream that loses, doubles and reorders', async () => {
    // A fixed sequence of "random" numbers, so that a failure can be repeated.
    let seed = 7
    const random = (): number => (seed = (seed * 16807) % 2147483647) / 2147483647
    follow(0)
    await settle()
    const held: number[] = []
    for (let rev = 1; rev <= 400; rev++) {
      server.head = rev
      const fate = random()
      if (fate < 0.1) continue
      held.push(rev)
      if (fate > 0.9) held.push(rev)
      while (held.length && random() < 0.7) push(held.splice(Math.floor(random() * held.length), 1)[0] as number)
      if (random() < 0.03) {
        held.length = 0
        topics.resume()
      }
      await settle(random() < 0.2 ? 50 : 0)
    }
    topics.take({ type: 'heartbeat', time: '', heads: { c: 400 } })
    await settle(5_000)
    expect(log).toEqual(Array.from({ length: 400 }, (_, index) => index + 1))
  })
})
