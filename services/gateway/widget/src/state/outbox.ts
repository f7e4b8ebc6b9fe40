import type { Content } from "../api/types";
import type { Storage } from "./storage";

/** A message on its way. */
export interface Pending {
  client_id: string;
  content: Content;
  at: number;
  /** The API's reason why it was refused for good. */
  error?: string;
}

const START = "out:";

/** Messages that are not acknowledged yet; they outlive the page, and all tabs share them: one entry each, in order of writing. */
export class Outbox {
  #last = 0;

  constructor(private readonly storage: Storage) {}

  all(): Pending[] {
    return this.storage
      .names(START)
      .map((name) => this.storage.get<Pending>(name))
      .filter((one): one is Pending => !!one);
  }

  /** The next one to send. */
  next(): Pending | undefined {
    return this.all().find((one) => !one.error);
  }

  add(content: Content): Pending {
    this.#last = Math.max(Date.now(), this.#last + 1);
    const one: Pending = { client_id: randomId(), content, at: this.#last };
    this.put(one);
    return one;
  }

  put(one: Pending): void {
    this.storage.set(name(one), one);
  }

  remove(one: Pending): void {
    this.storage.remove(name(one));
  }

  clear(): void {
    for (const one of this.storage.names(START)) this.storage.remove(one);
  }
}

function name(one: Pending): string {
  return `${START}${one.at}.${one.client_id}`;
}

/** 128 random bits, URL-safe; also where `crypto.randomUUID` is missing because the page is not secure. */
export function randomId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
