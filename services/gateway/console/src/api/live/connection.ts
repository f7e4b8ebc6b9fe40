/** One WebSocket that comes back: hello, answers by ref, heartbeats, reconnects with a jittered backoff. */
import { ref, type Ref } from 'vue'
import type { Ack, Requests, ServerFrame } from '../events'
import { ApiProblem } from '../problem'

export type ConnectionState = 'stopped' | 'connecting' | 'online' | 'lost'

/** Why the server closes a socket; see the AsyncAPI document. */
const CLOSED_UNAUTHENTICATED = 4001
const CLOSED_CHANGED = 4003

const ANSWER_WITHIN_MS = 10_000
const PROBE_WITHIN_MS = 5_000
const FIRST_WAIT_MS = 300
const MAX_WAIT_MS = 15_000

export interface ConnectionOptions {
  /** A valid access token; `refused` when the server did not take the last one. Null = nobody is signed in any more. */
  token: (refused?: string) => Promise<string | null>
  onOpen: () => void
  onFrame: (frame: ServerFrame) => void
  /** The person's rights changed; the connection comes back by itself. */
  onRightsChanged?: () => void
  /** Opens a socket; tests give their own. */
  open?: (url: string) => WebSocket
  random?: () => number
}

interface Waiting {
  resolve: (ack: Ack) => void
  reject: (problem: ApiProblem) => void
  timer: ReturnType<typeof setTimeout>
}

export class Connection {
  readonly state: Ref<ConnectionState> = ref('stopped')
  private socket: WebSocket | null = null
  private readonly waiting = new Map<string, Waiting>()
  private attempts = 0
  private nextRef = 0
  private lastToken: string | undefined
  private refused: string | undefined
  private heartbeatMs = 20_000
  private reconnectTimer: ReturnType<typeof setTimeout> | undefined
  private silenceTimer: ReturnType<typeof setTimeout> | undefined
  private probeTimer: ReturnType<typeof setTimeout> | undefined
  private generation = 0

  constructor(private readonly options: ConnectionOptions) {}

  start(): void {
    if (this.state.value !== 'stopped') return
    window.addEventListener('online', this.retryNow)
    window.addEventListener('offline', this.probe)
    document.addEventListener('visibilitychange', this.onVisible)
    this.state.value = 'connecting'
    void this.connect()
  }

  stop(): void {
    window.removeEventListener('online', this.retryNow)
    window.removeEventListener('offline', this.probe)
    document.removeEventListener('visibilitychange', this.onVisible)
    this.state.value = 'stopped'
    this.drop(1000)
    clearTimeout(this.reconnectTimer)
    this.attempts = 0
    this.refused = undefined
  }

  /** Asks and waits for the answer. Throws ApiProblem; one that is `passing` says nothing about whether it was carried out. */
  request<Type extends keyof Requests>(type: Type, members: Requests[Type]): Promise<Ack> {
    const socket = this.socket
    if (this.state.value !== 'online' || !socket) return Promise.reject(ApiProblem.network())
    const ref = String(++this.nextRef)
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.answer(ref)?.reject(ApiProblem.network())
        this.probe()
      }, ANSWER_WITHIN_MS)
      this.waiting.set(ref, { resolve, reject, timer })
      socket.send(JSON.stringify({ type, ref, ...members }))
    })
  }

  /** Tries at once instead of waiting for the next turn. */
  readonly retryNow = (): void => {
    if (this.state.value === 'online') this.probe()
    else if (this.state.value === 'lost') {
      clearTimeout(this.reconnectTimer)
      this.attempts = 0
      void this.connect()
    }
  }

  /** Asks whether the other end still lives; a laptop that slept or changed its network finds out at once. */
  readonly probe = (): void => {
    if (this.state.value !== 'online' || this.probeTimer) return
    this.probeTimer = setTimeout(() => this.lose(), PROBE_WITHIN_MS)
    this.socket?.send(JSON.stringify({ type: 'ping', ref: `probe-${++this.nextRef}` }))
  }

  private readonly onVisible = (): void => {
    if (document.visibilityState === 'visible') this.retryNow()
  }

  private async connect(): Promise<void> {
    const generation = ++this.generation
    let token: string | null
    try {
      token = await this.options.token(this.refused)
    } catch {
      if (generation === this.generation) this.lose()
      return
    }
    if (generation !== this.generation || this.state.value === 'stopped') return
    if (!token) return this.stop()
    this.lastToken = token
    this.open(token)
  }

  private open(token: string): void {
    const open = this.options.open ?? ((url: string) => new WebSocket(url, 'yunsong.v1'))
    const socket = open(`${location.origin.replace(/^http/, 'ws')}/api/v1/ws`)
    this.socket = socket
    this.listen()
    socket.onopen = () => socket.send(JSON.stringify({ type: 'hello', ref: 'hello', token }))
    socket.onmessage = (event) => {
      if (socket === this.socket) this.take(JSON.parse(String(event.data)) as ServerFrame)
    }
    socket.onclose = (event) => {
      if (socket === this.socket) this.closed(event.code)
    }
  }

  private take(frame: ServerFrame): void {
    this.listen()
    if (frame.type === 'welcome') this.welcome(frame.heartbeat_s)
    else if (frame.type === 'ack') this.answer(frame.ref)?.resolve(frame)
    else if (frame.type === 'error') {
      const { error } = frame
      this.answer(frame.ref ?? '')?.reject(new ApiProblem(error, error.status ?? 500, error.retry_after_s))
    } else if (frame.type !== 'pong') this.options.onFrame(frame)
  }

  private welcome(heartbeatS: number): void {
    this.heartbeatMs = heartbeatS * 1000
    this.attempts = 0
    this.refused = undefined
    this.state.value = 'online'
    this.options.onOpen()
  }

  /** Any frame shows that the other end lives; two and a half heartbeats of silence that it does not. */
  private listen(): void {
    clearTimeout(this.probeTimer)
    this.probeTimer = undefined
    clearTimeout(this.silenceTimer)
    this.silenceTimer = setTimeout(() => this.lose(), this.heartbeatMs * 2.5)
  }

  private closed(code: number): void {
    if (code === CLOSED_UNAUTHENTICATED) this.refused = this.lastToken
    if (code === CLOSED_CHANGED) this.options.onRightsChanged?.()
    this.lose()
  }

  private lose(): void {
    this.drop()
    if (this.state.value === 'stopped') return
    this.state.value = 'lost'
    const random = this.options.random ?? Math.random
    const wait = Math.min(FIRST_WAIT_MS * 2 ** this.attempts++, MAX_WAIT_MS) * (0.5 + random())
    clearTimeout(this.reconnectTimer)
    this.reconnectTimer = setTimeout(() => void this.connect(), wait)
  }

  private drop(code?: number): void {
    this.generation++
    clearTimeout(this.silenceTimer)
    clearTimeout(this.probeTimer)
    this.probeTimer = undefined
    const socket = this.socket
    this.socket = null
    if (socket && socket.readyState <= 1) socket.close(code)
    for (const ref of [...this.waiting.keys()]) this.answer(ref)?.reject(ApiProblem.network())
  }

  private answer(ref: string): Waiting | undefined {
    const waiting = this.waiting.get(ref)
    if (waiting) clearTimeout(waiting.timer)
    this.waiting.delete(ref)
    return waiting
  }
}
