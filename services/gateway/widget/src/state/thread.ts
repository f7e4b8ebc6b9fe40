import type { Conversation, Message } from "../api/types";

interface Change {
  event: string;
  data: unknown;
}

/** One conversation as far as it is known, kept right by its gapless revisions: what is known is dropped, what is early is held. */
export class Thread {
  messages: Message[] = [];
  /** Everything up to this revision is in. */
  rev = 0;
  /** There are older messages. */
  hasMore = false;
  #held = new Map<number, Change>();

  constructor(public conversation: Conversation) {}

  /** Takes a change; false when one before it is missing. */
  take(rev: number, event: string, data: unknown): boolean {
    if (rev > this.rev) this.#held.set(rev, { event, data });
    for (let next = this.#held.get(this.rev + 1); next; next = this.#held.get(this.rev + 1)) {
      this.#held.delete(++this.rev);
      this.#apply(next);
    }
    return this.#held.size === 0;
  }

  /** Goes on from a revision that was read as a whole. */
  skipTo(rev: number): void {
    this.rev = Math.max(this.rev, rev);
    for (const early of [...this.#held.keys()]) if (early <= this.rev) this.#held.delete(early);
    this.take(0, "", null);
  }

  upsert(messages: Message[]): void {
    if (!messages.length) return;
    const known = new Map(this.messages.map((one) => [one.id, one]));
    for (const one of messages) known.set(one.id, one);
    this.messages = [...known.values()].sort((a, b) => a.public_rev - b.public_rev);
  }

  #apply({ event, data }: Change): void {
    const conversation = this.conversation;
    if (event === "message_posted" || event === "message_edited") {
      this.upsert([data as Message]);
    } else if (event === "message_recalled_id") {
      this.messages = this.messages.map((one) =>
        one.id === data ? { ...one, content: null, recalled_at: one.recalled_at ?? new Date().toISOString() } : one,
      );
    } else if (event === "conversation_changed") {
      this.conversation = data as Conversation;
    } else if (event === "read_public_rev" || event === "agent_read_public_rev") {
      this.conversation = { ...conversation, [event]: Math.max(conversation[event], data as number) };
    }
  }

  get isOpen(): boolean {
    return this.conversation.state !== "resolved";
  }

  /** Messages of the business that the contact has not read. */
  get unread(): number {
    const read = this.conversation.read_public_rev;
    return this.messages.filter((one) => one.public_rev > read && isIncoming(one)).length;
  }
}

/** From the business, with something to read. */
export function isIncoming(message: Message): boolean {
  return message.author_kind !== "contact" && message.author_kind !== "system" && !message.recalled_at;
}
