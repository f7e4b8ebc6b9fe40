import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Ack, Requests } from '../events'
import { ApiProblem } from '../problem'
import { Outbox } from './outbox'

type Send = (members: Requests['send']) => Promise<Ack>
let isOnline: boolean
let shownRev: number | undefined
const send = vi.fn<Send>()

function outboxOf(user = 'u1'): Outbox {
  const outbox = new Outbox({ send, isOnline: () => isOnline, shownRev: () => shownRev })
  outbox.start(user)
  return outbox
}

const message = (text: string, conversation_id = 'c'): Parameters<Outbox['send']>[0] => ({ conversation_id, content: { text: { text } } })
const texts = (): unknown[] => send.mock.calls.map(([{ content }]) => content.text?.text)

beforeEach(() => {
  vi.useFakeTimers()
  isOnline = true
  shownRev = undefined
  let rev = 0
  send.mockReset().mockImplementation(async () => ({ message_id: `m${++rev}`, rev }))
})

afterEach(() => vi.useRealTimers())

describe('the outbox', () => {
  it('sends in order, one after another, and forgets what arrived', async () => {
    const answers: (() => void)[] = []
    send.mockImplementation(() => new Promise((done) => answers.push(() => done({ message_id: 'm', rev: 1 }))))
    const outbox = outboxOf()
    for (const text of ['one', 'two']) outbox.send(message(text))
    outbox.send(message('elsewhere', 'd'))
    expect(texts()).toEqual(['one', 'elsewhere'])
    answers[0]?.()
    await vi.advanceTimersByTimeAsync(0)
    expect(texts()).toEqual(['one', 'elsewhere', 'two'])
    for (const answer of answers) answer()
    await vi.advanceTimersByTimeAsync(0)
    expect(outbox.all.value).toEqual([])
    expect(localStorage.length).toBe(0)
  })

  it('keeps what waits for the connection and sends it afterwards', async () => {
    isOnline = false
    const outbox = outboxOf()
    for (const text of ['one', 'two', 'three']) outbox.send(message(text))
    await vi.advanceTimersByTimeAsync(60_000)
    expect(send).not.toHaveBeenCalled()
    expect(outbox.of('c').map((entry) => entry.state)).toEqual(['waiting', 'waiting', 'waiting'])
    isOnline = true
    outbox.resume()
    await vi.advanceTimersByTimeAsync(0)
    expect(texts()).toEqual(['one', 'two', 'three'])
  })

  it('sends again under the same client_id when the answer was lost', async () => {
    send.mockRejectedValueOnce(ApiProblem.network())
    const outbox = outboxOf()
    const entry = outbox.send(message('one'))
    outbox.send(message('two'))
    await vi.advanceTimersByTimeAsync(500)
    expect(texts()).toEqual(['one', 'one', 'two'])
    expect(new Set(send.mock.calls.slice(0, 2).map(([{ client_id }]) => client_id))).toEqual(new Set([entry.clientId]))
  })

  it('survives a reload', async () => {
    isOnline = false
    const before = outboxOf()
    const entry = before.send(message('one'))
    before.send(message('two'))
    isOnline = true
    const after = outboxOf()
    after.resume()
    await vi.advanceTimersByTimeAsync(0)
    expect(texts()).toEqual(['one', 'two'])
    expect(send.mock.calls[0]?.[0].client_id).toBe(entry.clientId)
  })

  it('leaves the messages of another person alone', () => {
    isOnline = false
    outboxOf('u1').send(message('one'))
    expect(outboxOf('u2').all.value).toEqual([])
    expect(outboxOf('u1').all.value).toHaveLength(1)
  })

  it('shows what was refused and sends it on demand', async () => {
    send.mockRejectedValueOnce(new ApiProblem({ code: 'CONVERSATION_CLOSED', detail: 'closed' }, 409))
    const outbox = outboxOf()
    const entry = outbox.send(message('one'))
    outbox.send(message('two'))
    await vi.advanceTimersByTimeAsync(0)
    expect(entry.state).toBe('failed')
    expect(entry.problem?.code).toBe('CONVERSATION_CLOSED')
    expect(texts()).toEqual(['one', 'two']) // what follows is not held up
    expect(outboxOf().all.value.map((one) => one.state)).toEqual(['failed'])
    outbox.retry(entry.clientId)
    await vi.advanceTimersByTimeAsync(0)
    expect(texts()).toEqual(['one', 'two', 'one'])
    expect(outbox.all.value).toEqual([])
  })

  it('gives up what is discarded', async () => {
    isOnline = false
    const outbox = outboxOf()
    outbox.discard(outbox.send(message('one')).clientId)
    isOnline = true
    outbox.resume()
    await vi.advanceTimersByTimeAsync(0)
    expect(send).not.toHaveBeenCalled()
    expect(localStorage.length).toBe(0)
  })

  it('keeps a sent message until its own event is shown', async () => {
    shownRev = 0
    const outbox = outboxOf()
    const entry = outbox.send(message('one'))
    await vi.advanceTimersByTimeAsync(0)
    expect(entry).toMatchObject({ state: 'sent', messageId: 'm1', rev: 1 })
    expect(localStorage.length).toBe(0)
    outbox.shown('c', 1)
    expect(outbox.all.value).toEqual([])
  })

  it('needs no event that came before the answer', async () => {
    shownRev = 1
    const outbox = outboxOf()
    outbox.send(message('one'))
    await vi.advanceTimersByTimeAsync(0)
    expect(outbox.all.value).toEqual([])
  })

  it('takes over what a closed tab left, and does not send what another tab has sent', async () => {
    isOnline = false
    const closed = outboxOf()
    closed.send(message('left behind'))
    vi.setSystemTime(Date.now() + 20_000)
    const open = outboxOf()
    open.stop()
    open.start('u1')
    isOnline = true
    open.resume()
    await vi.advanceTimersByTimeAsync(0)
    closed.resume()
    await vi.advanceTimersByTimeAsync(0)
    expect(texts()).toEqual(['left behind'])
    expect(closed.all.value).toEqual([])
  })

  it('sends even when the storage is full', async () => {
    const full = { ...localStorage, length: 0, key: () => null, getItem: () => null, removeItem() {}, clear() {}, setItem: () => { throw new DOMException('full', 'QuotaExceededError') } }
    const outbox = new Outbox({ send, isOnline: () => true, shownRev: () => undefined, storage: full as Storage })
    outbox.start('u1')
    outbox.send(message('one'))
    await vi.advanceTimersByTimeAsync(0)
    expect(texts()).toEqual(['one'])
  })
})
