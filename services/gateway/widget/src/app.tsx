import { h, render } from "preact";
import type { BootOptions, Listener, WidgetEvent } from "../index";
import { Messenger } from "./state/messenger";
import css from "./style/widget.css?inline";
import { Ring } from "./view/ring";
import { Look } from "./view/look";
import { TitleBadge } from "./view/title";
import { Widget } from "./view/Widget";

type Api = Record<string, unknown>;

/** Puts the widget into the page and its functions into `api`. */
function start(api: Api, base: string, options: BootOptions, script: HTMLScriptElement): void {
  const listeners = new Map<string, Set<Listener>>();
  const emit = (event: string, detail: unknown) => {
    if (event === "message") ring.play(String((detail as { id: string }).id), messenger);
    for (const listener of listeners.get(event) ?? []) {
      // A mistake in a page's listener is the page's; it must not stop the widget.
      queueMicrotask(() => listener(detail as never));
    }
  };
  const address = new URLSearchParams(location.search);
  const isPage = !!options.page;
  const locale = options.locale || (isPage && address.get("locale")) || "";
  const ring = new Ring();
  const messenger = new Messenger(base, options.inbox, locale, emit);
  messenger.isOpen = isPage;

  const host = document.createElement("div");
  host.id = "yunsong";
  const shadow = host.attachShadow({ mode: "open" });
  addStyle(shadow, script.nonce ?? "");
  const root = document.createElement("div");
  shadow.append(root);
  const look = new Look(host, root, options);
  const title = isPage ? new TitleBadge() : null;
  messenger.onChange(() => {
    look.follow(messenger);
    title?.follow(messenger);
  });

  Object.assign(api, {
    open: () => messenger.show(true),
    close: () => messenger.show(false),
    toggle: () => messenger.show(!messenger.isOpen),
    identify: (identity: Record<string, unknown>) => messenger.identify(identity),
    logout: () => messenger.logout(),
    setAttributes: (attributes: Record<string, unknown>) => messenger.setAttributes(attributes),
    setLocale: (locale: string) => {
      messenger.i18n.set(locale);
      messenger.changed();
    },
    on: (event: WidgetEvent, listener: Listener) => {
      const known = listeners.get(event) ?? new Set();
      listeners.set(event, known.add(listener));
    },
    off: (event: WidgetEvent, listener: Listener) => void listeners.get(event)?.delete(listener),
  });
  const show = () => {
    document.body.append(host);
    render(h(Widget, { messenger, isPage }), root);
    void begin();
  };
  const begin = async () => {
    if (isPage) await fromAddress(messenger);
    await messenger.start();
  };
  if (document.body) show();
  else addEventListener("DOMContentLoaded", show);
}

/** An app's WebView can prove who its user is behind the # of the address, which is never sent anywhere. */
async function fromAddress(messenger: Messenger): Promise<void> {
  const given = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
  if (!given.user_token && !given.user_hash) return;
  history.replaceState(null, "", location.pathname + location.search);
  await messenger.identify(given);
}

/** A constructed style sheet needs no permission in the page's policy. */
function addStyle(shadow: ShadowRoot, nonce: string): void {
  try {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(css);
    shadow.adoptedStyleSheets = [sheet];
  } catch {
    const style = document.createElement("style");
    style.nonce = nonce;
    style.textContent = css;
    shadow.append(style);
  }
}

document.dispatchEvent(new CustomEvent("yunsong:app", { detail: start }));
