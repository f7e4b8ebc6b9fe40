import { Problem } from "../api/problem";
import type { Rest } from "../api/rest";
import type { Session } from "../api/types";
import { randomId } from "./outbox";
import type { Storage } from "./storage";

/** Who the page says the visitor is, with its proof. */
export interface Identity {
  user_id?: string;
  user_hash?: string;
  user_token?: string;
  name?: string;
}

interface Kept {
  visitor: string;
  user: string;
  contact: string;
  token: string;
  until: number;
}

const KEY = "session";

/** The contact's session: opened when it is first needed, kept over visits, renewed before it ends. */
export class Visitor {
  #opening: Promise<Session> | null = null;
  #timer = 0;
  #identity: Identity = {};

  constructor(
    private readonly rest: Rest,
    private readonly storage: Storage,
    private readonly inboxKey: string,
    private readonly about: () => { locale: string; attributes: Record<string, unknown> },
    private readonly took: (session: Session) => void,
  ) {
    this.read();
  }

  get #kept(): Kept | undefined {
    return this.storage.get<Kept>(KEY);
  }

  /** The visitor was here before. */
  get isKnown(): boolean {
    return !!this.#kept?.token;
  }

  get contactId(): string {
    return this.#kept?.contact ?? "";
  }

  /** Takes over what another tab did. */
  read(): void {
    const kept = this.#kept;
    this.rest.token = kept && kept.until > Date.now() ? kept.token : "";
  }

  /** A session, the kept one where it lives. Rejects with a Problem. */
  session(): Promise<Session> {
    this.#opening ??= (this.rest.token ? this.#renew() : this.#open()).finally(() => (this.#opening = null));
    return this.#opening;
  }

  /** After what is on its way now. */
  settled(): Promise<unknown> {
    return Promise.resolve(this.#opening).catch(() => null);
  }

  /** A token for the socket; a fresh one when the last was refused. */
  async token(refused: boolean): Promise<string> {
    if (refused) this.rest.token = "";
    if (!this.rest.token) await this.session();
    return this.rest.token;
  }

  async identify(identity: Identity): Promise<Session | null> {
    const user = identity.user_id ?? "";
    const token = identity.user_token ?? "";
    const same = !!this.#kept?.user && this.#kept.user === (user || subject(token)) && !!this.rest.token;
    this.#identity = identity;
    if (same) return null;
    await this.#opening?.catch(() => null);
    this.rest.token = "";
    return this.session();
  }

  /** Forgets who was here: the next session is another visitor's. */
  forget(): void {
    clearTimeout(this.#timer);
    this.storage.remove(KEY);
    this.rest.token = "";
    this.#identity = {};
  }

  async #open(): Promise<Session> {
    const kept = this.#kept;
    const { user_id, user_hash, user_token, name } = this.#identity;
    const proved = !!(user_hash || user_token);
    // A proved user's visitor id has become the user's: whoever comes after without a proof is somebody else.
    const visitor = (!kept?.user && kept?.visitor) || randomId();
    if (!kept) this.#keep({ visitor, user: "", contact: "", token: "", until: 0 });
    const about = this.about();
    const session = await this.rest.post<Session>("/contact/sessions", {
      inbox_key: this.inboxKey,
      visitor_id: visitor,
      locale: about.locale,
      attributes: about.attributes,
      ...(name ? { name } : {}),
      ...(proved ? { user_id: user_id ?? "", user_hash: user_hash ?? "", user_token: user_token ?? "" } : {}),
    });
    this.#take(session, visitor, proved ? user_id || subject(user_token ?? "") : "");
    return session;
  }

  async #renew(): Promise<Session> {
    try {
      const session = await this.rest.post<Session>("/contact/sessions:renew");
      this.#take(session, this.#kept?.visitor ?? "", this.#kept?.user ?? "");
      return session;
    } catch (error) {
      if (!(error instanceof Problem) || error.passes) throw error;
      this.rest.token = "";
      return this.#open();
    }
  }

  #take(session: Session, visitor: string, user: string): void {
    const life = session.expires_in * 1000;
    this.rest.token = session.access_token;
    this.#keep({ visitor, user, contact: session.contact_id, token: session.access_token, until: Date.now() + life });
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.session().catch(() => null), life * 0.8) as unknown as number;
    this.took(session);
  }

  #keep(kept: Kept): void {
    this.storage.set(KEY, kept);
  }
}

/** The `sub` of a JWT, unchecked: only to see whether it is the same user as before. */
function subject(token: string): string {
  try {
    return String(JSON.parse(atob((token.split(".")[1] ?? "").replace(/-/g, "+").replace(/_/g, "/"))).sub);
  } catch {
    return "";
  }
}
