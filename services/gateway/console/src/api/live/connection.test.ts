import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { ApiProblem } from '../problem'
import { Connection, type ConnectionOptions } from './connection'
import { FakeSocket } from './fakeSocket'

let connection: Connection
const token = vi.fn<ConnectionOptions['token']>()
const onOpen = vi.fn()
const onFrame = vi.fn()
const onRightsChanged = vi.fn()

beforeEach(() => {
  vi.useFakeTimers()
  FakeSocket.all.length = 0
  token.mockReset().mockResolvedValue('token-1')
  for (const one of [onOpen, onFrame, onRightsChanged]) one.mockReset()
  connection = new Connection({
    token,
    onOpen,
    onFrame,
    onRightsChanged,
    open: (url) => new FakeSocket(url) as unknown as WebSocket,
    random: () => 0.5,
  })
})

afterEach(() => {
  connection.stop()
  vi.useRealTimers()
})

async function online(): Promise<FakeSocket> {
  connection.start()
  await vi.advanceTimersByTimeAsync(0)
  FakeSocket.last.welcome()
  return FakeSocket.last
}

describe('a connection', () => {
  it('says hello with its token and is online once it is welcome', async () => {
    const socket = await online()
    expect(socket.sent[0]).toEqual({ type: 'hello', ref: 'hello', token: 'token-1' })
    expect(connection.state.value).toBe('online')
    expect(onOpen).toHaveBeenCalledOnce()
  })

  it('gives each answer to its own question', async () => {
    const socket = await online()
    const one = connection.request('read', { conversation_id: 'a', through_rev: 1 })
    const other = connection.request('read', { conversation_id: 'b', through_rev: 2 })
    const [first, second] = socket.ofType('read')
    socket.receive({ type: 'ack', ref: second?.ref ?? '', rev: 2 })
    socket.receive({ type: 'error', ref: first?.ref ?? '', error: { code: 'CONVERSATION_UNKNOWN', status: 404 } })
    expect((await other).rev).toBe(2)
    await expect(one).rejects.toMatchObject({ code: 'CONVERSATION_UNKNOWN', passing: false })
  })

  it('fails what waits when it is lost, as something that may be tried again', async () => {
    const socket = await online()
    const asked = connection.request('read', { conversation_id: 'a', through_rev: 1 }).catch((error: ApiProblem) => error)
    socket.lose()
    expect(await asked).toMatchObject({ code: 'NETWORK', passing: true })
    expect(connection.state.value).toBe('lost')
  })

  it('comes back, waiting longer each time, and at once on demand', async () => {
    const socket = await online()
    socket.lose()
    await vi.advanceTimersByTimeAsync(300)
    expect(FakeSocket.all).toHaveLength(2)
    FakeSocket.last.lose()
    await vi.advanceTimersByTimeAsync(599)
    expect(FakeSocket.all).toHaveLength(2)
    await vi.advanceTimersByTimeAsync(1)
    expect(FakeSocket.all).toHaveLength(3)
    FakeSocket.last.lose()
    connection.retryNow()
    await vi.advanceTimersByTimeAsync(0)
    expect(FakeSocket.all).toHaveLength(4)
    FakeSocket.last.welcome()
    expect(connection.state.value).toBe('online')
  })

  it('asks for another token when the server refuses the last one', async () => {
    const socket = await online()
    socket.lose(4001)
    await vi.advanceTimersByTimeAsync(300)
    expect(token).toHaveBeenLastCalledWith('token-1')
  })

  it('ends when the session has ended', async () => {
    const socket = await online()
    token.mockResolvedValue(null)
    socket.lose(4001)
    await vi.advanceTimersByTimeAsync(300)
    expect(connection.state.value).toBe('stopped')
    await vi.advanceTimersByTimeAsync(60_000)
    expect(FakeSocket.all).toHaveLength(1)
  })

  it('goes on trying while the token cannot be renewed', async () => {
    const socket = await online()
    token.mockRejectedValueOnce(new Error('offline'))
    socket.lose()
    await vi.advanceTimersByTimeAsync(300 + 600)
    expect(FakeSocket.all).toHaveLength(2)
  })

  it('tells that rights changed', async () => {
    const socket = await online()
    socket.lose(4003)
    expect(onRightsChanged).toHaveBeenCalledOnce()
  })

  it('notices a silent end after two and a half heartbeats', async () => {
    const socket = await online()
    await vi.advanceTimersByTimeAsync(49_000)
    socket.receive({ type: 'heartbeat', time: '', heads: {} })
    await vi.advanceTimersByTimeAsync(49_000)
    expect(connection.state.value).toBe('online')
    await vi.advanceTimersByTimeAsync(2_000)
    expect(connection.state.value).toBe('lost')
  })

  it('probes an end that stays silent to a question', async () => {
    await online()
    const asked = connection.request('ping', {}).catch((error: ApiProblem) => error)
    await vi.advanceTimersByTimeAsync(10_000)
    expect(await asked).toMatchObject({ code: 'NETWORK' })
    expect(connection.state.value).toBe('online')
    await vi.advanceTimersByTimeAsync(5_000)
    expect(connection.state.value).toBe('lost')
  })

  it('ignores what an old socket still says', async () => {
    const old = await online()
    old.lose()
    await vi.advanceTimersByTimeAsync(300)
    FakeSocket.last.welcome()
    old.readyState = 1
    old.receive({ type: 'heartbeat', time: '', heads: { a: 9 } })
    old.lose()
    expect(onFrame).not.toHaveBeenCalled()
    expect(connection.state.value).toBe('online')
  })
})
