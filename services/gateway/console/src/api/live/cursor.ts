/** One reader of a stream of revisions: drops what it has, holds what comes early, and knows what is missing. */

export interface Revised {
  rev: number
}

export class Cursor<Event extends Revised> {
  private readonly held = new Map<number, Event>()

  constructor(
    public rev: number,
    private readonly apply: (event: Event) => void,
  ) {}

  /** True when something before it is missing. */
  take(event: Event): boolean {
    if (event.rev <= this.rev) return false
    this.held.set(event.rev, event)
    this.release()
    return this.held.size > 0
  }

  /** Goes on from a snapshot that holds everything up to `rev`; this may lead back, after a restored backup. */
  jump(rev: number): void {
    this.rev = rev
    for (const known of [...this.held.keys()]) if (known <= rev) this.held.delete(known)
    this.release()
  }

  forget(): void {
    this.held.clear()
  }

  private release(): void {
    for (let next = this.held.get(this.rev + 1); next; next = this.held.get(this.rev + 1)) {
      this.held.delete(next.rev)
      this.rev = next.rev
      this.apply(next)
    }
  }
}
