// The website widget's interface: `window.yunsong`, made by https://<your Yunsong>/widget.js. See docs/guides/widget.md.

export interface BootOptions {
  /** The inbox's public key. */
  inbox: string;
  /** "zh-CN" or "en"; as the page or the browser has it when left out. */
  locale?: string;
  /** Overrides the inbox's setting. */
  theme?: "auto" | "light" | "dark";
  /** The accent colour, "#rrggbb"; overrides the inbox's setting. */
  color?: string;
  /** The corner; overrides the inbox's setting. */
  position?: "left" | "right";
  /** Pixels from the side. */
  offsetX?: number;
  /** Pixels from the bottom. */
  offsetY?: number;
  /** Fills the page instead of a bubble. */
  page?: boolean;
  /** Where Yunsong is, with a slash at the end; where the script came from when left out. */
  base?: string;
}

/** Keys and values of the contact that agents see: at most 4 kB as JSON. */
export type Attributes = Record<string, string | number | boolean | null>;

/** Who the user is, proved by `user_hash` or `user_token`; what is more becomes attributes. */
export interface Identity {
  /** Your own id of the user. */
  user_id?: string;
  /** Hex HMAC-SHA-256 of `user_id` under the inbox's identity secret; made on your server. */
  user_hash?: string;
  /** Or a JWT (HS256) under the same secret, with `sub` and `exp`. */
  user_token?: string;
  /** The name that agents see. */
  name?: string;
  [attribute: string]: string | number | boolean | null | undefined;
}

export interface IncomingMessage {
  id: string;
  author: "agent" | "bot" | "api";
  name: string;
  /** What it says, as the API has it. */
  content: Record<string, unknown> | null;
}

export interface Events {
  /** The bubble is there. */
  ready: null;
  open: null;
  close: null;
  /** The visitor wrote: the content. */
  send: Record<string, unknown>;
  /** The business wrote. */
  message: IncomingMessage;
  /** How many messages wait to be read. */
  unread: number;
  /** Something was refused; `code` is the API's. */
  error: { code: string; message: string };
}

export type WidgetEvent = keyof Events;
export type Listener<E extends WidgetEvent = WidgetEvent> = (detail: Events[E]) => void;

export interface Api {
  /** Starts the widget; done by itself when the script has `data-inbox`. Once per page. */
  boot(options: BootOptions): void;
  open(): void;
  close(): void;
  toggle(): void;
  /** Says who is signed in on your site. Calling it on every page is fine. */
  identify(identity: Identity): void;
  /** Forgets the user: the next visitor of this browser starts anew. */
  logout(): void;
  /** Adds to what agents see of the contact. */
  setAttributes(attributes: Attributes): void;
  setLocale(locale: string): void;
  on<E extends WidgetEvent>(event: E, listener: Listener<E>): void;
  off<E extends WidgetEvent>(event: E, listener: Listener<E>): void;
  /** Calls by name, as `(window.yunsong ||= []).push(["identify", …])` before the script is there. */
  push(...calls: [method: keyof Api, ...args: unknown[]][]): void;
}

declare global {
  interface Window {
    yunsong?: Api;
    trustedTypes?: { createPolicy(name: string, rules: { createScriptURL(address: string): string }): { createScriptURL(address: string): unknown } };
  }
}
