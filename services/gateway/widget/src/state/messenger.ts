import { Problem } from "../api/problem";
import { Rest } from "../api/rest";
import { Socket } from "../api/socket";
import type { Content, Conversation, Frame, Inbox, Message, Place, Profile, Session, Settings } from "../api/types";
import { I18n } from "../text/i18n";
import { History } from "./history";
import { Outbox, type Pending } from "./outbox";
import { Storage } from "./storage";
import { isIncoming, Thread } from "./thread";
import { Uploads } from "./uploads";
import { type Identity, Visitor } from "./visitor";

/** Why the widget cannot be used at all. */
export type Fault = "" | "inbox" | "blocked" | "origin" | "identity";

const FAULTS: Record<string, Fault> = {
  INBOX_UNKNOWN: "inbox",
  INBOX_DISABLED: "inbox",
  CONTACT_BLOCKED: "blocked",
  ORIGIN_REFUSED: "origin",
  IDENTITY_REQUIRED: "identity",
};
const TYPING_SHOWN_MS = 6000;
const TYPING_TOLD_MS = 3000;

export type Listener = (event: string, detail: unknown) => void;

/** Everything the widget knows and does, without a view. Views read it and are told when it changed. */
export class Messenger {
  readonly rest: Rest;
  readonly storage: Storage;
  readonly i18n: I18n;
  readonly visitor: Visitor;
  readonly uploads: Uploads;
  readonly history: History;
  readonly outbox: Outbox;
  readonly #socket: Socket;
  inbox: Inbox | null = null;
  fault: Fault = "";
  isOpen = false;
  /** The conversations are read: what is shown is what there is. */
  isLoaded = false;
  loadFailed = false;
  /** A person can be reached now, as the last session said. */
  isStaffed = true;
  nextOpenAt: string | null = null;
  place: Place | null = null;
  typist: string | null = null;
  /** The contact wants to write on after the end. */
  goesOn = false;
  profile: Profile | null = null;
  attributes: Record<string, unknown> = {};
  #contact = "";
  #sent = new Map<string, Pending>();
  #loading: Promise<void> | null = null;
  #flushing = false;
  #heals = new Map<string, number>();
  #typingTimer = 0;
  #toldTypingAt = 0;
  #readThrough = 0;
  #changes: (() => void)[] = [];
  #due = false;
  #wasUp = false;

  constructor(
    base: string,
    readonly key: string,
    locale: string,
    readonly emit: Listener,
  ) {
    this.rest = new Rest(base);
    this.storage = new Storage(`yunsong.${key}.`);
    this.i18n = new I18n(locale);
    this.outbox = new Outbox(this.storage);
    this.history = new History(this.rest);
    this.visitor = new Visitor(
      this.rest,
      this.storage,
      key,
      () => ({ locale: this.i18n.locale, attributes: this.#about() }),
      (session) => this.#takeSession(session),
    );
    this.uploads = new Uploads(
      this.rest,
      () => this.load(),
      (content) => this.send(content),
      () => this.changed(),
    );
    this.#socket = new Socket(base, {
      token: (refused) => this.visitor.token(refused),
      up: () => void this.#onUp(),
      down: () => this.changed(),
      frame: (frame) => this.#take(frame),
    });
    this.storage.watch((name) => this.#onOtherTab(name));
    document.addEventListener("visibilitychange", () => this.markRead());
    addEventListener("online", () => !this.inbox && void this.start());
    addEventListener("offline", () => this.changed());
  }

  // -- what views read

  get settings(): Settings {
    return this.inbox?.widget ?? {};
  }

  get threads(): Thread[] {
    return this.history.threads;
  }

  /** The newest conversation. */
  get thread(): Thread | undefined {
    return this.threads[this.threads.length - 1];
  }

  get conversation(): Conversation | undefined {
    return this.thread?.conversation;
  }

  get isUp(): boolean {
    return this.#socket.isUp;
  }

  get unread(): number {
    return this.thread?.unread ?? 0;
  }

  get isMuted(): boolean {
    return this.storage.get<boolean>("muted") ?? this.settings.muted ?? false;
  }

  /** What is not acknowledged, and what is but has not come back yet. */
  get pending(): Pending[] {
    const waiting = this.outbox.all();
    const known = new Set(waiting.map((one) => one.client_id));
    const sent = [...this.#sent.values()].filter((one) => !known.has(one.client_id));
    const shown = new Set(this.thread?.messages.map((one) => one.client_id));
    return [...sent, ...waiting].filter((one) => !shown.has(one.client_id));
  }

  isSent(one: Pending): boolean {
    return this.#sent.has(one.client_id);
  }

  /** Questions that are still to be answered before the first message. */
  get asksFirst(): boolean {
    const asked = this.settings.pre_chat?.length;
    return !!asked && this.isLoaded && !this.thread?.isOpen && !this.pending.length && this.storage.get("asked") !== this.visitor.contactId;
  }

  onChange(listener: () => void): void {
    this.#changes.push(listener);
  }

  changed(): void {
    if (this.#due) return;
    this.#due = true;
    queueMicrotask(() => {
      this.#due = false;
      for (const listener of this.#changes) listener();
    });
  }

  // -- coming and going

  /** Shows the bubble: reads the inbox, and for a visitor who was here before what waits to be read. */
  async start(): Promise<void> {
    try {
      if (this.visitor.isKnown) {
        const session = await this.visitor.session();
        if (session.open_conversation) await this.load();
      } else {
        this.#takeInbox(await this.rest.get<Inbox>(`/contact/inboxes/${encodeURIComponent(this.key)}`));
      }
      this.emit("ready", null);
      if (this.storage.get("open")) this.show(true);
      if (this.isOpen) void this.load(); // opened before there was anything to show
    } catch (error) {
      this.#fail(error);
      if (!this.fault) setTimeout(() => void this.start(), 5000 + Math.random() * 5000);
    }
  }

  show(open: boolean): void {
    if (open === this.isOpen) return;
    this.isOpen = open;
    this.storage.set("open", open);
    if (open && this.inbox) void this.load();
    this.markRead();
    this.emit(open ? "open" : "close", null);
    this.changed();
  }

  /** Reads the newest conversation and stays connected. Rejects never; `loadFailed` and `fault` say what went wrong. */
  load(): Promise<void> {
    if (this.isLoaded) return Promise.resolve();
    this.#loading ??= this.#loadNow().finally(() => (this.#loading = null));
    return this.#loading;
  }

  async #loadNow(): Promise<void> {
    this.loadFailed = false;
    try {
      if (!this.rest.token || !this.inbox) await this.visitor.session();
      this.#contact = this.visitor.contactId;
      await this.history.older();
      if (this.settings.pre_chat?.length) this.profile = await this.rest.get<Profile>("/contact/profile");
      this.isLoaded = true;
      this.#socket.connect();
    } catch (error) {
      this.#fail(error);
      this.loadFailed = !this.fault;
    }
    this.changed();
    this.#told();
  }

  async identify(identity: Identity & Record<string, unknown>): Promise<void> {
    const { user_id, user_hash, user_token, name, ...attributes } = identity;
    const before = this.visitor.contactId;
    Object.assign(this.attributes, attributes);
    try {
      const session = await this.visitor.identify({ user_id, user_hash, user_token, name });
      if (!session) {
        await this.#tell(name, attributes);
      } else if (session.contact_id !== before || this.isLoaded) {
        this.#begin();
        if (this.isOpen || session.open_conversation) await this.load();
      }
    } catch (error) {
      this.#fail(error);
    }
  }

  async setAttributes(attributes: Record<string, unknown>): Promise<void> {
    Object.assign(this.attributes, attributes);
    await this.visitor.settled(); // a session that is just being opened was asked for without them
    if (this.rest.token) await this.#tell(undefined, attributes).catch((error) => this.#fail(error));
  }

  async #tell(name: string | undefined, attributes: Record<string, unknown>): Promise<void> {
    const body = { ...(name ? { name } : {}), ...(Object.keys(attributes).length ? { attributes } : {}) };
    if (Object.keys(body).length) await this.rest.call("PATCH", "/contact/profile", body);
  }

  logout(): void {
    this.visitor.forget();
    this.outbox.clear();
    for (const name of ["draft", "asked", "rang"]) this.storage.remove(name);
    this.attributes = {};
    this.#begin();
    if (this.isOpen) void this.load();
  }

  /** Starts anew for another contact. */
  #begin(): void {
    this.#socket.close();
    this.history.clear();
    this.#sent.clear();
    this.isLoaded = this.#wasUp = this.goesOn = false;
    this.place = this.typist = this.profile = null;
    this.fault = "";
    this.#readThrough = 0;
    this.changed();
  }

  #about(): Record<string, unknown> {
    return { page_url: location.href.split("#")[0]!.slice(0, 500), page_title: document.title.slice(0, 200), ...this.attributes };
  }

  #takeInbox(inbox: Inbox): void {
    this.inbox = inbox;
    this.i18n.fallBackTo(inbox.widget?.default_locale ?? "");
    this.changed();
  }

  #takeSession(session: Session): void {
    this.#takeInbox(session.inbox);
    this.isStaffed = session.open ?? true;
    this.nextOpenAt = session.next_open_at ?? null;
    this.fault = "";
  }

  #fail(error: unknown): void {
    const code = error instanceof Problem ? error.code : "INTERNAL";
    this.fault = FAULTS[code] ?? "";
    this.emit("error", { code, message: String((error as Error).message) });
    this.changed();
  }

  #onOtherTab(name: string): void {
    if (name === "session") {
      this.visitor.read();
      if (this.isLoaded && this.#contact !== this.visitor.contactId) {
        this.#begin();
        if (this.visitor.isKnown) void this.load();
      }
    } else if (name === "open") {
      this.show(!!this.storage.get("open"));
    } else if (name === "open.thread" && this.visitor.isKnown && !this.isLoaded) {
      void this.load();
    }
    this.changed();
  }

  // -- writing

  send(content: Content): void {
    this.outbox.add(content);
    this.goesOn = false;
    this.emit("send", content);
    this.changed();
    void this.load().then(() => this.#flush());
  }

  retry(one: Pending): void {
    this.outbox.put({ ...one, error: undefined });
    this.changed();
    void this.#flush();
  }

  discard(one: Pending): void {
    this.outbox.remove(one);
    this.changed();
  }

  /** Sends what waits, in order. One tab at a time where the browser has locks; elsewhere the client_id keeps it single. */
  async #flush(): Promise<void> {
    if (this.#flushing || !this.#socket.isUp) return;
    this.#flushing = true;
    try {
      const all = () => this.#sendAll();
      await (navigator.locks ? navigator.locks.request(`yunsong.${this.key}.out`, all) : all());
    } finally {
      this.#flushing = false;
    }
    if (this.#socket.isUp && this.outbox.next()) void this.#flush();
  }

  async #sendAll(): Promise<void> {
    for (let one = this.outbox.next(); one && this.#socket.isUp; one = this.outbox.next()) {
      try {
        const ack = await this.#socket.ask("send", { client_id: one.client_id, content: one.content });
        this.#sent.set(one.client_id, one);
        this.outbox.remove(one);
        this.#follow(ack.conversation_id!, ack.rev ?? 0);
      } catch (error) {
        const problem = error as Problem;
        if (problem.code === "OFFLINE") return; // `onUp` goes on
        if (problem.passes) {
          await new Promise((resolve) => setTimeout(resolve, Math.max(problem.retryAfterS, 0.5) * 1000));
        } else {
          this.outbox.put({ ...one, error: problem.code });
          if (FAULTS[problem.code]) this.#fail(problem);
        }
      }
      this.changed();
    }
  }

  setTyping(active: boolean): void {
    const conversation = this.conversation;
    const now = Date.now();
    if (conversation?.state !== "active" || (active ? now - this.#toldTypingAt < TYPING_TOLD_MS : !this.#toldTypingAt)) return;
    this.#toldTypingAt = active ? now : 0;
    this.#socket.ask("typing", { conversation_id: conversation.id, active }).catch(() => null);
  }

  async #act(path: string, body: object = {}): Promise<void> {
    const thread = this.thread;
    if (!thread) return;
    const after = await this.rest.post<Conversation>(`/contact/conversations/${thread.conversation.id}:${path}`, body);
    // The answer may be newer than the events on their way; its revision is theirs to bring.
    thread.conversation = { ...thread.conversation, ...after };
    this.changed();
  }

  /** Asks for a person; before the first word, with a word. */
  async requestAgent(): Promise<void> {
    if (!this.thread?.isOpen) this.send({ text: { text: this.i18n.t("ask_person_message") } });
    else await this.#act("request_agent");
  }

  end(): Promise<void> {
    return this.#act("end");
  }

  async rate(score: number, comment: string): Promise<void> {
    await this.#act("rate", { score, comment });
  }

  async answerFirst(answers: Record<string, string>): Promise<void> {
    const body: Record<string, unknown> = {};
    const attributes: Record<string, string> = {};
    for (const [name, value] of Object.entries(answers)) {
      if (["name", "email", "phone"].includes(name)) body[name] = value;
      else attributes[name] = value;
    }
    if (Object.keys(attributes).length) body.attributes = attributes;
    await this.rest.call("PATCH", "/contact/profile", body);
    this.storage.set("asked", this.visitor.contactId);
    this.changed();
  }

  mute(muted: boolean): void {
    this.storage.set("muted", muted);
    this.changed();
  }

  markRead(): void {
    const thread = this.thread;
    if (!thread || !this.isOpen || document.hidden || !thread.unread || this.#readThrough >= thread.rev) return;
    const through_rev = (this.#readThrough = thread.rev);
    this.#socket.ask("read", { conversation_id: thread.conversation.id, through_rev }).catch(() => (this.#readThrough = 0));
  }

  async loadOlder(): Promise<void> {
    await this.history.older().catch(() => null);
    this.changed();
  }

  // -- what comes

  async #onUp(): Promise<void> {
    this.changed();
    if (this.#wasUp) await this.history.newest().catch(() => null); // one may have begun elsewhere meanwhile
    this.#wasUp = true;
    this.#readThrough = 0;
    if (this.thread) await this.#subscribe(this.thread);
    void this.#flush();
    this.markRead();
  }

  async #subscribe(thread: Thread): Promise<void> {
    const id = thread.conversation.id;
    try {
      const ack = await this.#socket.ask("subscribe", { topic: "conversation", id, after_rev: thread.rev });
      if (ack.snapshot_required) await this.history.snapshot(thread);
    } catch {
      // The next connection, or the next heartbeat, tries again.
    }
    this.changed();
  }

  /** The thread of a conversation; one that is new here begins empty and is filled by its events. */
  #follow(id: string, rev: number): Thread {
    const known = this.history.find(id);
    const thread = known ?? this.history.begin(id);
    if (!known) {
      this.storage.set("open.thread", id);
      this.place = null;
    }
    if (thread.rev < rev) this.#healSoon(thread, rev);
    return thread;
  }

  #healSoon(thread: Thread, head: number): void {
    const id = thread.conversation.id;
    if (this.#heals.has(id)) return;
    const timer = setTimeout(() => {
      this.#heals.delete(id);
      if (this.#socket.isUp && thread.rev < head) void this.#subscribe(thread);
    }, 1200);
    this.#heals.set(id, timer as unknown as number);
  }

  #take(frame: Frame): void {
    const id = frame.id ?? "";
    const data = frame.data as never;
    if (frame.type === "event") {
      const thread = this.#follow(id, 0);
      const before = thread.rev;
      if (!thread.take(frame.rev!, frame.event!, data)) this.#healSoon(thread, frame.rev!);
      if (frame.event === "message_posted" && thread.rev > before) this.#onMessage(data);
      if (thread.conversation.state !== "queued") this.place = null;
    } else if (frame.type === "subscribed") {
      this.#follow(id, frame.rev ?? 0);
      if (frame.snapshot_required) void this.history.snapshot(this.#follow(id, 0)).then(() => this.changed());
    } else if (frame.type === "resync") {
      void this.history.snapshot(this.#follow(id, 0)).then(() => this.changed());
    } else if (frame.type === "heartbeat") {
      const head = frame.heads?.[this.conversation?.id ?? ""] ?? 0;
      if (this.thread && head > this.thread.rev) this.#healSoon(this.thread, head);
    } else if (frame.type === "unsubscribed") {
      this.history.clear();
      this.isLoaded = false;
      void this.load();
    } else if (frame.event === "typing" && id === this.conversation?.id) {
      this.#onTyping(data);
    } else if (frame.event === "queue_position" && id === this.conversation?.id) {
      this.place = (data as Place).position ? data : null;
    }
    this.markRead();
    this.changed();
  }

  #onMessage(message: Message): void {
    this.#sent.delete(message.client_id);
    if (!isIncoming(message)) return;
    this.typist = null;
    this.emit("message", { id: message.id, author: message.author_kind, name: message.author_name, content: message.content });
    this.#told();
  }

  #told(): void {
    this.emit("unread", this.unread);
  }

  #onTyping({ active, actor }: { active: boolean; actor: { kind: string; name: string } }): void {
    if (actor.kind === "contact") return;
    this.typist = active ? actor.name : null;
    clearTimeout(this.#typingTimer);
    this.#typingTimer = setTimeout(() => {
      this.typist = null;
      this.changed();
    }, TYPING_SHOWN_MS) as unknown as number;
  }
}
