/**
 * Messages on their way. Each is stored before it is sent and forgotten when the server has it, under one client_id for all
 * attempts: a reload, a crash or a lost answer neither loses nor doubles one. Per conversation they go out one after another.
 */
import { computed, shallowReactive, type ComputedRef } from 'vue'
import { randomId } from '../exclusively'
import type { Ack, Requests } from '../events'
import type { ApiProblem } from '../problem'

export type Outgoing = Omit<Requests['send'], 'client_id'> & { conversation_id: string }

export interface OutboxEntry {
  readonly clientId: string
  readonly message: Outgoing
  /** Milliseconds since the epoch. */
  readonly createdAt: number
  /** `sent` until the conversation's own event arrives. */
  state: 'waiting' | 'sending' | 'sent' | 'failed'
  /** Why it failed for good. */
  problem?: { code: string; detail: string } | undefined
  messageId?: string | undefined
  rev?: number | undefined
}

export interface OutboxOptions {
  send: (members: Requests['send']) => Promise<Ack>
  isOnline: () => boolean
  /** Up to where a view of this tab shows the conversation; undefined when none does. What was sent stays until its event is shown. */
  shownRev: (conversationId: string) => number | undefined
  storage?: Storage
}

const PREFIX = 'yunsong.outbox.'
/** Another tab's message that is older than this has lost its tab. */
const ORPHAN_AFTER_MS = 15_000
const MAX_WAIT_MS = 5_000
const FIRST_WAIT_MS = 500

export class Outbox {
  private readonly entries = shallowReactive(new Map<string, OutboxEntry>())
  private readonly busy = new Set<string>()
  /** Messages that the storage had no room for: they live in memory alone. */
  private readonly unstored = new Set<string>()
  private readonly storage: Storage
  private owner = ''
  private last = 0

  constructor(private readonly options: OutboxOptions) {
    this.storage = options.storage ?? localStorage
  }

  /** Everything that is not known to have arrived, oldest first. */
  readonly all: ComputedRef<OutboxEntry[]> = computed(() =>
    [...this.entries.values()].sort((one, other) => one.createdAt - other.createdAt),
  )

  of(conversationId: string): OutboxEntry[] {
    return this.all.value.filter((entry) => entry.message.conversation_id === conversationId)
  }

  /** Begins for a person; what an earlier visit left is sent. */
  start(userId: string): void {
    this.owner = userId
    this.adopt(-Infinity)
  }

  /** Forgets the list, not the stored messages: they go out when the same person comes back. */
  stop(): void {
    this.owner = ''
    this.entries.clear()
    this.busy.clear()
  }

  send(message: Outgoing): OutboxEntry {
    // Two messages of one millisecond still have an order.
    this.last = Math.max(Date.now(), this.last + 1)
    const entry = shallowReactive<OutboxEntry>({ clientId: randomId(), message, createdAt: this.last, state: 'waiting' })
    this.entries.set(entry.clientId, entry)
    this.store(entry)
    void this.pump(message.conversation_id)
    return entry
  }

  retry(clientId: string): void {
    const entry = this.entries.get(clientId)
    if (entry?.state !== 'failed') return
    entry.state = 'waiting'
    entry.problem = undefined
    this.store(entry)
    void this.pump(entry.message.conversation_id)
  }

  /** Gives up a message that failed or still waits. */
  discard(clientId: string): void {
    const entry = this.entries.get(clientId)
    if (entry && entry.state !== 'sending') this.remove(entry)
  }

  /** The connection is back, or a moment passed. */
  resume(): void {
    this.adopt(ORPHAN_AFTER_MS)
    for (const id of new Set(this.all.value.map((entry) => entry.message.conversation_id))) void this.pump(id)
  }

  /** A followed conversation shows everything up to a revision. */
  shown(conversationId: string, rev: number): void {
    for (const entry of this.of(conversationId)) {
      if (entry.state === 'sent' && (entry.rev ?? 0) <= rev) this.entries.delete(entry.clientId)
    }
  }

  private async pump(conversationId: string): Promise<void> {
    if (this.busy.has(conversationId)) return
    this.busy.add(conversationId)
    const { owner } = this
    let wait = FIRST_WAIT_MS
    try {
      while (this.options.isOnline() && this.owner === owner) {
        const entry = this.of(conversationId).find((one) => one.state === 'waiting')
        if (!entry) return
        const problem = await this.attempt(entry)
        if (!problem) wait = FIRST_WAIT_MS
        else if (this.options.isOnline()) {
          await new Promise((done) => setTimeout(done, (problem.retryAfter ?? 0) * 1000 || wait))
          wait = Math.min(wait * 2, MAX_WAIT_MS)
        }
      }
    } finally {
      this.busy.delete(conversationId)
    }
  }

  /** Sends once; gives the problem when it must be tried again. */
  private async attempt(entry: OutboxEntry): Promise<ApiProblem | null> {
    if (!this.unstored.has(entry.clientId) && !this.storage.getItem(this.key(entry))) {
      // Another tab has sent it or given it up meanwhile.
      this.entries.delete(entry.clientId)
      return null
    }
    entry.state = 'sending'
    try {
      this.arrived(entry, await this.options.send({ ...entry.message, client_id: entry.clientId }))
      return null
    } catch (error) {
      const problem = error as ApiProblem
      entry.state = problem.passing ? 'waiting' : 'failed'
      if (problem.passing) return problem
      entry.problem = { code: problem.code, detail: problem.detail }
      this.store(entry)
      return null
    }
  }

  private arrived(entry: OutboxEntry, ack: Ack): void {
    this.storage.removeItem(this.key(entry))
    entry.messageId = ack.message_id
    entry.rev = ack.rev
    entry.state = 'sent'
    // The event may have come before the answer.
    const shown = this.options.shownRev(entry.message.conversation_id) ?? Infinity
    if (shown >= (ack.rev ?? 0)) this.entries.delete(entry.clientId)
  }

  private remove(entry: OutboxEntry): void {
    this.entries.delete(entry.clientId)
    this.storage.removeItem(this.key(entry))
  }

  private key(entry: Pick<OutboxEntry, 'clientId'>): string {
    return `${PREFIX}${this.owner}.${entry.clientId}`
  }

  private store(entry: OutboxEntry): void {
    const { clientId, message, createdAt, problem } = entry
    try {
      this.storage.setItem(this.key(entry), JSON.stringify({ clientId, message, createdAt, problem }))
      this.unstored.delete(clientId)
    } catch {
      // The storage is full: the message still goes out, but would not survive a reload.
      this.unstored.add(clientId)
    }
  }

  /** Takes over what lies in the storage, of an earlier visit or of a tab that was closed. */
  private adopt(olderThanMs: number): void {
    if (!this.owner) return
    for (let index = 0; index < this.storage.length; index++) {
      const key = this.storage.key(index) ?? ''
      if (!key.startsWith(`${PREFIX}${this.owner}.`)) continue
      const kept = parsed(this.storage.getItem(key))
      if (!kept || this.entries.has(kept.clientId) || Date.now() - kept.createdAt < olderThanMs) continue
      this.entries.set(kept.clientId, shallowReactive({ ...kept, state: kept.problem ? 'failed' : 'waiting' }))
    }
  }
}

function parsed(text: string | null): Pick<OutboxEntry, 'clientId' | 'message' | 'createdAt' | 'problem'> | null {
  try {
    return text ? JSON.parse(text) : null
  } catch {
    return null
  }
}
