/** What was written and not sent, per conversation and person; it survives a reload and is the same in every tab. */
export interface Draft {
  text: string
  note: boolean
  /** A supervisor's advice to the assignee. */
  whisper: boolean
  replyTo: string
  mentions: string[]
}

export const EMPTY_DRAFT: Draft = { text: '', note: false, whisper: false, replyTo: '', mentions: [] }
const KEEP_MS = 30 * 24 * 3600_000
const PREFIX = 'yunsong.draft.'

export class Drafts {
  constructor(
    private readonly userId: string,
    private readonly storage: Storage = localStorage,
    private readonly now: () => number = Date.now,
  ) {}

  read(conversationId: string): Draft {
    const kept = this.parse(this.storage.getItem(this.key(conversationId)))
    return kept ? { ...EMPTY_DRAFT, ...kept } : { ...EMPTY_DRAFT }
  }

  has(conversationId: string): boolean {
    return this.storage.getItem(this.key(conversationId)) !== null
  }

  write(conversationId: string, draft: Draft): void {
    if (!draft.text.trim() && !draft.replyTo) this.storage.removeItem(this.key(conversationId))
    else this.keep(this.key(conversationId), JSON.stringify({ ...draft, at: this.now() }))
  }

  /** Drops drafts that nobody came back to. */
  prune(): void {
    for (const key of Object.keys(this.storage)) {
      if (!key.startsWith(PREFIX)) continue
      const kept = this.parse(this.storage.getItem(key))
      if (!kept || (kept.at ?? 0) < this.now() - KEEP_MS) this.storage.removeItem(key)
    }
  }

  key(conversationId: string): string {
    return `${PREFIX}${this.userId}.${conversationId}`
  }

  private keep(key: string, text: string): void {
    try {
      this.storage.setItem(key, text)
    } catch {
      // The browser's storage is full: the draft lives on in the page alone.
    }
  }

  private parse(text: string | null): (Partial<Draft> & { at?: number }) | null {
    try {
      return text ? (JSON.parse(text) as Partial<Draft> & { at?: number }) : null
    } catch {
      return null
    }
  }
}
