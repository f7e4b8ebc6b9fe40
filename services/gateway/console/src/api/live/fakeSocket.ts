/** A WebSocket for tests: what was sent can be read, what arrives is given by hand. */
import type { ServerFrame } from '../events'

export interface SentFrame {
  type: string
  ref: string
  [member: string]: unknown
}

export class FakeSocket {
  static readonly all: FakeSocket[] = []
  readyState = 0
  readonly sent: SentFrame[] = []
  onopen: (() => void) | null = null
  onmessage: ((event: { data: string }) => void) | null = null
  onclose: ((event: { code: number }) => void) | null = null
  /** Sees every frame of the client; a server in the test answers here. */
  onsend: ((frame: SentFrame) => void) | null = null

  constructor(readonly url: string) {
    FakeSocket.all.push(this)
  }

  static get last(): FakeSocket {
    return this.all.at(-1) as FakeSocket
  }

  send(text: string): void {
    const frame = JSON.parse(text) as SentFrame
    this.sent.push(frame)
    this.onsend?.(frame)
  }

  open(): void {
    this.readyState = 1
    this.onopen?.()
  }

  welcome(): void {
    this.open()
    this.receive({ type: 'welcome', connection_id: 'c', heartbeat_s: 20, actor: { kind: 'user', id: 'u', name: '' } })
  }

  receive(frame: ServerFrame): void {
    if (this.readyState === 1) this.onmessage?.({ data: JSON.stringify(frame) })
  }

  ofType(type: string): SentFrame[] {
    return this.sent.filter((frame) => frame.type === type)
  }

  /** The connection ends from outside. */
  lose(code = 1006): void {
    this.readyState = 3
    this.onclose?.({ code })
  }

  close(): void {
    this.readyState = 3
  }
}
