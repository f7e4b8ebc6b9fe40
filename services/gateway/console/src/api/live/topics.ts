/**
 * What this tab follows. Several listeners share one subscription; each has its own cursor, so one that opened later or read a
 * newer snapshot is as right as the first. Gaps are filled from the change log by REST.
 */
import type { ApiProblem } from '../problem'
import type { Ack, Requests, ServerFrame, TopicKind } from '../events'
import { Cursor, type Revised } from './cursor'

export interface TopicListener<Event extends Revised = Revised, Live = { event: string; data: unknown }> {
  /** The next change, in order and once. */
  onEvent?: (event: Event) => void
  /** Something passing, such as typing. */
  onLive?: (live: Live) => void
  /**
   * The change log does not reach back: read everything anew and give the revision that was read. A failure is tried again.
   */
  onSnapshot?: () => Promise<number>
  /** The topic is not open to this person (any more). */
  onGone?: (code: string) => void
}

export interface Changes<Event extends Revised> {
  events: Event[]
  head: number
  snapshotRequired: boolean
}

export interface TopicsOptions {
  request: <Type extends 'subscribe' | 'unsubscribe'>(type: Type, members: Requests[Type]) => Promise<Ack>
  isOnline: () => boolean
  /** Reads the change log of a topic after a revision, one page of it. */
  read: (kind: TopicKind, id: string, after: number) => Promise<Changes<Revised>>
  /** Listeners of a conversation have everything up to this revision. */
  onProgress?: (kind: TopicKind, id: string, rev: number) => void
}

const FIRST_WAIT_MS = 250
const MAX_WAIT_MS = 10_000
/** What a heartbeat tells may still be on its way. */
const GRACE_MS = 1_000

interface Follower {
  listener: TopicListener
  /** Null until the first answer says where "from now on" begins. */
  cursor: Cursor<Revised> | null
  filling: boolean
  wantsFill: boolean
  needsSnapshot: boolean
  gone: boolean
}

class Topic {
  readonly followers = new Set<Follower>()
  subscribing = false
  subscribed = false
  again: ReturnType<typeof setTimeout> | undefined
  wait = FIRST_WAIT_MS

  constructor(
    readonly kind: TopicKind,
    readonly id: string,
  ) {}

  /** Where the listener that is furthest behind stands; undefined = from now on. */
  get after(): number | undefined {
    const { revs } = this
    return revs.length ? Math.min(...revs) : undefined
  }

  get newest(): number {
    return Math.max(0, ...this.revs)
  }

  private get revs(): number[] {
    return [...this.followers].flatMap(({ cursor }) => (cursor ? [cursor.rev] : []))
  }
}

export class Topics {
  private readonly topics = new Map<string, Topic>()

  constructor(private readonly options: TopicsOptions) {}

  /** Follows a topic after the revision that the caller has, or from now on; gives what ends it. */
  follow(kind: TopicKind, id: string, after: number | undefined, listener: TopicListener): () => void {
    const key = `${kind} ${id}`
    const topic = this.topics.get(key) ?? new Topic(kind, id)
    this.topics.set(key, topic)
    const follower: Follower = { listener, cursor: null, filling: false, wantsFill: false, needsSnapshot: false, gone: false }
    // "From now on" of a topic that is followed already begins where it stands.
    const begin = after ?? (topic.subscribed ? topic.newest : undefined)
    if (begin !== undefined) follower.cursor = this.cursor(topic, follower, begin)
    topic.followers.add(follower)
    if (!topic.subscribed) this.subscribe(topic)
    else if (kind === 'conversation' || kind === 'feed') void this.fill(topic, follower)
    return () => this.leave(key, topic, follower)
  }

  /** After a reconnect: every topic again, each from where its listeners stand. */
  resume(): void {
    for (const topic of this.topics.values()) {
      topic.subscribed = topic.subscribing = false
      topic.wait = FIRST_WAIT_MS
      this.subscribe(topic)
    }
  }

  clear(): void {
    for (const topic of this.topics.values()) {
      clearTimeout(topic.again)
      for (const follower of topic.followers) follower.gone = true
    }
    this.topics.clear()
  }

  take(frame: ServerFrame): void {
    if (frame.type === 'heartbeat') return this.heads(frame.heads)
    if (!('topic' in frame)) return
    const topic = this.topics.get(`${frame.topic} ${frame.id}`) ?? this.wildcard(frame.topic)
    if (!topic) return
    if (frame.type === 'live') for (const { listener } of [...topic.followers]) listener.onLive?.(frame)
    if (frame.type === 'event') for (const follower of [...topic.followers]) this.deliver(topic, follower, frame)
    if (frame.type === 'resync') for (const follower of [...topic.followers]) this.snapshot(topic, follower, frame.rev)
    if (frame.type === 'unsubscribed') this.gone(topic, frame.code)
  }

  /** Boards and alerts come with their own ids to those who follow all of them. */
  private wildcard(kind: TopicKind): Topic | undefined {
    return kind === 'queue' || kind === 'alerts' ? this.topics.get(`${kind} *`) : undefined
  }

  private cursor(topic: Topic, follower: Follower, rev: number): Cursor<Revised> {
    return new Cursor(rev, (event) => {
      follower.listener.onEvent?.(event)
      this.options.onProgress?.(topic.kind, topic.id, event.rev)
    })
  }

  private subscribe(topic: Topic): void {
    clearTimeout(topic.again)
    if (topic.subscribing || !this.options.isOnline()) return
    topic.subscribing = true
    const { kind, id, after } = topic
    const members = { topic: kind, id, ...(after === undefined ? {} : { after_rev: after }) }
    this.options.request('subscribe', members).then(
      (ack) => this.subscribed(topic, ack),
      (problem: ApiProblem) => this.refused(topic, problem),
    )
  }

  private subscribed(topic: Topic, ack: Ack): void {
    topic.subscribing = false
    topic.subscribed = true
    topic.wait = FIRST_WAIT_MS
    const head = ack.rev ?? 0
    for (const follower of topic.followers) {
      if (!follower.cursor) follower.cursor = this.cursor(topic, follower, head)
      else if (ack.snapshot_required) this.snapshot(topic, follower, head)
      // One that came while the others were being subscribed may stand further back than the answer begins.
      else if (follower.cursor.rev < head) this.look(topic, follower, head)
    }
  }

  private refused(topic: Topic, problem: ApiProblem): void {
    topic.subscribing = false
    if (!problem.passing) return this.gone(topic, problem.code)
    if (!this.options.isOnline()) return
    topic.again = setTimeout(() => this.subscribe(topic), (problem.retryAfter ?? 0) * 1000 || topic.wait)
    topic.wait = Math.min(topic.wait * 2, MAX_WAIT_MS)
  }

  private gone(topic: Topic, code: string): void {
    this.topics.delete(`${topic.kind} ${topic.id}`)
    clearTimeout(topic.again)
    for (const follower of topic.followers) {
      follower.gone = true
      follower.listener.onGone?.(code)
    }
  }

  private leave(key: string, topic: Topic, follower: Follower): void {
    follower.gone = true
    topic.followers.delete(follower)
    if (topic.followers.size || this.topics.get(key) !== topic) return
    this.topics.delete(key)
    clearTimeout(topic.again)
    if (!this.options.isOnline() || !(topic.subscribed || topic.subscribing)) return
    // What is lost with the connection needs no end.
    this.options.request('unsubscribe', { topic: topic.kind, id: topic.id }).catch(() => undefined)
  }

  private deliver(topic: Topic, follower: Follower, event: Revised): void {
    // Before the first answer "from now on" has no beginning; the answer's head comes before any event.
    if (follower.cursor?.take(event)) void this.fill(topic, follower)
  }

  private heads(heads: Record<string, number>): void {
    for (const [id, head] of Object.entries(heads)) {
      const topic = this.topics.get(`conversation ${id}`)
      for (const follower of topic?.followers ?? []) if (topic) this.look(topic, follower, head)
    }
  }

  /** The last push may be lost: whoever is still behind a moment later reads what is missing. */
  private look(topic: Topic, follower: Follower, head: number): void {
    if (!follower.cursor || follower.cursor.rev >= head) return
    setTimeout(() => {
      if (follower.cursor && follower.cursor.rev < head) void this.fill(topic, follower)
    }, GRACE_MS)
  }

  private async fill(topic: Topic, follower: Follower): Promise<void> {
    if (follower.filling) {
      follower.wantsFill = true
      return
    }
    follower.filling = true
    let wait = FIRST_WAIT_MS
    try {
      do {
        follower.wantsFill = false
        try {
          await this.readOn(topic, follower)
        } catch (error) {
          const problem = error as ApiProblem
          if (problem.passing === false) return this.gone(topic, problem.code)
          await pause(wait)
          wait = Math.min(wait * 2, MAX_WAIT_MS)
          // Offline, the next subscription begins where the listener stands.
          follower.wantsFill = this.options.isOnline()
        }
      } while (follower.wantsFill && !follower.gone)
    } finally {
      follower.filling = false
    }
  }

  private async readOn(topic: Topic, follower: Follower): Promise<void> {
    const { cursor } = follower
    while (cursor && !follower.gone) {
      if (follower.needsSnapshot) {
        await this.readSnapshot(topic, follower, cursor)
        // What was pushed meanwhile has been held; only what is still missing is read.
        if (!follower.wantsFill) return
        follower.wantsFill = false
      }
      const changes = await this.options.read(topic.kind, topic.id, cursor.rev)
      if (follower.gone) return
      if (changes.snapshotRequired) follower.needsSnapshot = true
      else {
        for (const event of changes.events) cursor.take(event)
        if (!changes.events.length || cursor.rev >= changes.head) return
      }
    }
  }

  private snapshot(topic: Topic, follower: Follower, head: number): void {
    const { cursor } = follower
    if (!cursor) return
    // What was held before a backup was restored is no longer true.
    if (cursor.rev > head) cursor.forget()
    follower.needsSnapshot = true
    void this.fill(topic, follower)
  }

  private async readSnapshot(topic: Topic, follower: Follower, cursor: Cursor<Revised>): Promise<void> {
    const rev = (await follower.listener.onSnapshot?.()) ?? cursor.rev
    if (follower.gone) return
    follower.needsSnapshot = false
    cursor.jump(rev)
    this.options.onProgress?.(topic.kind, topic.id, cursor.rev)
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((done) => setTimeout(done, ms))
}
