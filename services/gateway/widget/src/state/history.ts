import type { Rest } from "../api/rest";
import type { Conversation, Message } from "../api/types";
import { Thread } from "./thread";

interface Page {
  messages: Message[];
  has_more: boolean;
  head_public_rev: number;
}

interface Conversations {
  conversations: Conversation[];
  next_page_token: string;
}

const PAGE = 50;

/** The visitor's conversations, oldest first, read backwards page by page. */
export class History {
  threads: Thread[] = [];
  #token = "";
  #begun = false;
  #reading: Promise<void> | null = null;

  constructor(private readonly rest: Rest) {}

  /** Nothing older is left. */
  get isComplete(): boolean {
    return this.#begun && !this.#token && !this.threads[0]?.hasMore;
  }

  clear(): void {
    this.threads = [];
    this.#token = "";
    this.#begun = false;
  }

  find(id: string): Thread | undefined {
    return this.threads.find((one) => one.conversation.id === id);
  }

  /** A conversation that has only just begun. */
  begin(id: string, conversation?: Conversation): Thread {
    const thread = new Thread(
      conversation ?? {
        id,
        state: "bot",
        agent_name: "",
        public_rev: 0,
        agent_read_public_rev: 0,
        read_public_rev: 0,
        unread_count: 0,
        created_at: new Date().toISOString(),
        resolved_at: null,
        csat_score: 0,
        can_rate: false,
      },
    );
    this.threads = [...this.threads, thread];
    return thread;
  }

  /** Reads the page before what is there; at first the newest. Rejects with a Problem. */
  older(): Promise<void> {
    this.#reading ??= this.#read().finally(() => (this.#reading = null));
    return this.#reading;
  }

  async #read(): Promise<void> {
    const oldest = this.threads[0];
    if (oldest?.hasMore) {
      const page = await this.#page(oldest.conversation.id, oldest.messages[0]?.public_rev ?? 0);
      oldest.upsert(page.messages);
      oldest.hasMore = page.has_more;
    } else if (!this.#begun || this.#token) {
      const list = await this.#list(this.#token);
      const found = list.conversations[0];
      if (found && !this.find(found.id)) {
        const thread = new Thread(found);
        await this.snapshot(thread, found);
        if (!this.find(found.id)) this.threads = [thread, ...this.threads];
      }
      this.#token = list.next_page_token;
      this.#begun = true;
    }
  }

  /** Looks for a conversation that began elsewhere while this page was not connected. */
  async newest(): Promise<void> {
    const found = (await this.#list("")).conversations[0];
    if (!found || this.find(found.id)) return;
    const thread = new Thread(found);
    await this.snapshot(thread, found);
    if (!this.find(found.id)) this.threads = [...this.threads, thread];
  }

  /** Reads a conversation as a whole and goes on from there. */
  async snapshot(thread: Thread, known?: Conversation): Promise<void> {
    const id = thread.conversation.id;
    const [conversation, page] = await Promise.all([
      known ?? this.rest.get<Conversation>(`/contact/conversations/${id}`),
      this.#page(id, 0),
    ]);
    thread.conversation = conversation;
    thread.messages = [];
    thread.upsert(page.messages);
    thread.hasMore = page.has_more;
    // The conversation was read first: what changed between the two reads is taken again and does no harm.
    thread.skipTo(Math.min(conversation.public_rev, page.head_public_rev));
  }

  #page(id: string, before: number): Promise<Page> {
    const from = before ? `&before_public_rev=${before}` : "";
    return this.rest.get<Page>(`/contact/conversations/${id}/messages?page_size=${PAGE}${from}`);
  }

  #list(token: string): Promise<Conversations> {
    const page = token ? `&page_token=${encodeURIComponent(token)}` : "";
    return this.rest.get<Conversations>(`/contact/conversations?page_size=1${page}`);
  }
}
