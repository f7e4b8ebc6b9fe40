/** A thread on the screen: it loads its pages and says when it changed. */
import { ref, shallowRef } from 'vue'
import { listMessages } from '../calls'
import { Thread } from '../model/thread'
import type { Message, ThreadEvent } from '../model/types'

const PAGE = 60
const PROBE = 200

export class OpenThread {
  private readonly thread = new Thread()
  readonly messages = shallowRef<readonly Message[]>([])
  readonly hasOlder = ref(false)
  readonly hasNewer = ref(false)
  readonly missed = ref(0)
  readonly loading = ref<'' | 'all' | 'older' | 'newer'>('')
  readonly error = shallowRef<unknown>(null)
  readonly loaded = ref(false)
  private reading: Promise<void> | null = null
  private closed = false

  constructor(
    readonly id: string,
    private readonly me: () => string,
  ) {}

  /** Reads the newest page once. */
  async start(): Promise<void> {
    if (!this.loaded.value) await this.reload()
  }

  /** Goes (back) to the newest page. Failures stand in `error`. */
  async reload(): Promise<void> {
    await this.read('all', async () => {
      this.thread.hold()
      this.thread.reset(await listMessages(this.id, { page_size: PAGE }))
    })
  }

  async older(): Promise<void> {
    const first = this.messages.value[0]
    if (!this.hasOlder.value || !first || this.reading) return
    await this.read('older', async () => this.thread.prepend(await listMessages(this.id, { before_rev: first.rev, page_size: PAGE })))
  }

  async newer(): Promise<void> {
    const last = this.messages.value.at(-1)
    if (!this.hasNewer.value || !last || this.reading) return
    await this.read('newer', async () => {
      this.thread.hold()
      this.thread.append(await listMessages(this.id, { after_rev: last.rev, page_size: PAGE }))
    })
  }

  /** Makes sure that a message is in the stretch; false when the conversation does not have it. */
  async reach(messageId: string): Promise<boolean> {
    await this.reading
    if (!this.loaded.value) await this.reload()
    if (this.thread.find(messageId)) return true
    const rev = await this.revOf(messageId)
    if (rev === null) return false
    await this.read('all', async () => {
      this.thread.hold()
      const before = await listMessages(this.id, { before_rev: rev + 1, page_size: PAGE / 2 })
      const after = await listMessages(this.id, { after_rev: rev, page_size: PAGE / 2 })
      this.thread.reset({ ...before, messages: [...before.messages, ...after.messages], head_rev: before.head_rev }, !after.has_more)
    })
    return this.thread.find(messageId) !== undefined
  }

  apply(events: readonly ThreadEvent[]): void {
    this.thread.applyAll(events)
    this.show()
  }

  find(messageId: string): Message | undefined {
    return this.thread.find(messageId)
  }

  /** The newest message that somebody else wrote to the contact's side, up to which one has read. */
  get lastRev(): number {
    return this.messages.value.at(-1)?.rev ?? 0
  }

  isOwn(message: Message): boolean {
    return message.author?.id === this.me()
  }

  close(): void {
    this.closed = true
  }

  /**
   * Where a message stands. Ids carry their time (UUIDv7) and rise with the revision but for a few milliseconds, so the
   * history is halved until the page that must hold it is read.
   */
  private async revOf(messageId: string): Promise<number | null> {
    let low = 0
    let high = this.messages.value[0]?.rev ?? 0
    for (let step = 0; step < 24 && low < high; step++) {
      const middle = Math.ceil((low + high) / 2)
      const page = await listMessages(this.id, { before_rev: middle + PROBE / 2, page_size: PROBE })
      const hit = page.messages.find((one) => one.id === messageId)
      if (hit) return hit.rev
      const first = page.messages[0]
      const last = page.messages.at(-1)
      if (!first || !last) return null
      if (messageId < first.id) high = Math.min(first.rev, high - 1)
      else if (messageId > last.id) low = Math.max(last.rev, low + 1)
      else return null
    }
    return null
  }

  private async read(what: 'all' | 'older' | 'newer', work: () => Promise<void>): Promise<void> {
    await this.reading
    this.loading.value = what
    this.error.value = null
    const mine = (async () => {
      try {
        await work()
        this.loaded.value = true
      } catch (error) {
        this.thread.letGo()
        this.error.value = error
      }
    })()
    this.reading = mine
    await mine
    this.reading = null
    this.loading.value = ''
    this.show()
  }

  private show(): void {
    if (this.closed) return
    this.messages.value = this.thread.messages
    this.hasOlder.value = this.thread.hasOlder
    this.hasNewer.value = this.thread.hasNewer
    this.missed.value = this.thread.missedCount
  }
}
