/** One conversation's messages as a contiguous stretch of its history, kept right by revisions. */
import type { Message, ThreadEvent } from './types'

/** A part of the history as the server read it. */
export interface Stretch {
  messages: Message[]
  has_more: boolean
  head_rev: number
}

export class Thread {
  /** Ascending by revision; replaced, never changed in place, so that a shallow reference sees it. */
  messages: readonly Message[] = []
  hasOlder = false
  /** Newer messages than the stretch exist and are not loaded. */
  hasNewer = false
  /** Everything up to here is in. */
  headRev = 0
  /** Messages that came while the stretch did not reach the end. */
  missedCount = 0
  private readonly byId = new Map<string, number>()
  private held: ThreadEvent[] | null = null

  /** Holds events back while a read is on its way, whose answer may be older or newer than they are. */
  hold(): void {
    this.held ??= []
  }

  /** Gives a read up: what was held back counts. */
  letGo(): void {
    this.release()
  }

  /** Starts anew from the newest page, or from the middle of the history, short of its end. */
  reset(page: Stretch, reachesEnd = true): void {
    this.place([...page.messages])
    this.hasOlder = page.has_more
    this.hasNewer = !reachesEnd
    this.missedCount = 0
    this.headRev = page.head_rev
    this.release()
  }

  prepend(page: Stretch): void {
    const known = page.messages.filter((one) => !this.byId.has(one.id))
    this.place([...known, ...this.messages])
    this.hasOlder = page.has_more
    this.release()
  }

  append(page: Stretch): void {
    const known = page.messages.filter((one) => !this.byId.has(one.id))
    this.place([...this.messages, ...known])
    this.hasNewer = page.has_more
    if (!page.has_more) {
      this.missedCount = 0
      this.headRev = Math.max(this.headRev, page.head_rev)
      this.release(page.head_rev)
    } else this.release()
  }

  /** Takes many events at once; true when something that is shown changed. */
  applyAll(events: readonly ThreadEvent[]): boolean {
    if (this.held) {
      this.held.push(...events)
      return false
    }
    const next = new Draft(this.messages, this.byId)
    for (const event of events) this.apply(next, event)
    return this.take(next)
  }

  find(messageId: string): Message | undefined {
    const index = this.byId.get(messageId)
    return index === undefined ? undefined : this.messages[index]
  }

  private apply(draft: Draft, event: ThreadEvent): void {
    if (event.rev <= this.headRev) return
    this.headRev = event.rev
    if (event.event === 'message_posted') {
      const { message } = event.data
      if (!message) return
      if (this.hasNewer) this.missedCount++
      else draft.add(message)
    } else applyChange(draft, event)
  }

  private place(messages: Message[]): void {
    this.messages = messages
    this.index()
  }

  private take(draft: Draft): boolean {
    if (!draft.changed) return false
    this.messages = draft.messages
    this.index()
    return true
  }

  private index(): void {
    this.byId.clear()
    this.messages.forEach((message, at) => this.byId.set(message.id, at))
  }

  private release(from = this.headRev): void {
    const held = this.held
    this.held = null
    if (!held?.length) return
    // What passed while the end was out of sight moved the head on; the page that reaches the end says from where it counts.
    this.headRev = Math.min(this.headRev, from)
    this.applyAll(held.sort((one, other) => one.rev - other.rev))
  }
}

function applyChange(draft: Draft, event: ThreadEvent): void {
  if (event.event === 'message_edited' && event.data.message) {
    const { message } = event.data
    draft.change(message.id, () => message)
  } else if (event.event === 'message_recalled') {
    const at = event.data.meta?.occurred_at ?? null
    draft.change(event.data.message_id, (message) => ({ ...message, content: null, recalled_at: at }))
  } else if (event.event === 'delivery_changed') {
    const { message_id, delivery_state, error } = event.data
    draft.change(message_id, (message) => ({ ...message, delivery_state, delivery_error: error }))
  }
}

/** Copies the messages once however many events change them. */
class Draft {
  changed = false
  messages: Message[]

  constructor(
    source: readonly Message[],
    private readonly byId: Map<string, number>,
  ) {
    this.messages = source as Message[]
  }

  add(message: Message): void {
    if (this.byId.has(message.id)) return
    this.copy()
    this.byId.set(message.id, this.messages.length)
    this.messages.push(message)
  }

  change(id: string, make: (message: Message) => Message): void {
    const at = this.byId.get(id)
    const message = at === undefined ? undefined : this.messages[at]
    if (at === undefined || !message) return
    this.copy()
    this.messages[at] = make(message)
  }

  private copy(): void {
    if (!this.changed) this.messages = [...this.messages]
    this.changed = true
  }
}
