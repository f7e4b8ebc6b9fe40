// The script that a website includes: it makes `window.yunsong` at once and fetches the widget itself beside the page.
import type { Api, BootOptions } from "../index";

declare const APP_FILE: string;
declare const APP_INTEGRITY: string;

type Call = [method: string, ...rest: unknown[]];
type Start = (api: Record<string, unknown>, base: string, options: BootOptions, script: HTMLScriptElement) => void;

const METHODS = ["boot", "open", "close", "toggle", "identify", "logout", "setAttributes", "setLocale", "on", "off"];

function load(script: HTMLScriptElement): void {
  const before = window.yunsong as unknown;
  if (before && !Array.isArray(before)) return; // included twice
  const base = new URL(".", script.src).href;
  const calls: Call[] = [];
  const api: Record<string, unknown> = {};
  for (const method of METHODS) {
    api[method] = (...given: unknown[]) => void calls.push([method, ...given]);
  }
  const run = ([method, ...given]: Call) => (api[method] as ((...given: unknown[]) => void) | undefined)?.(...given);
  api["push"] = (...more: Call[]) => more.forEach(run);
  let isFetched = false;
  api["boot"] = (options: BootOptions) => {
    if (isFetched) return;
    isFetched = true;
    const take = (event: Event) => {
      document.removeEventListener("yunsong:app", take);
      event.stopImmediatePropagation();
      (event as CustomEvent<Start>).detail(api, options.base ?? base, options, script);
      calls.splice(0).forEach(run);
    };
    document.addEventListener("yunsong:app", take);
    const app = document.createElement("script");
    const policy = window.trustedTypes?.createPolicy("yunsong", { createScriptURL: (address) => address });
    const address = base + APP_FILE;
    app.src = (policy ? policy.createScriptURL(address) : address) as string;
    app.async = true;
    app.crossOrigin = "anonymous";
    app.integrity = APP_INTEGRITY;
    app.nonce = script.nonce; // for sites whose policy names scripts by a nonce
    document.head.append(app);
  };
  window.yunsong = api as unknown as Api;
  const { inbox, locale, page } = script.dataset;
  // The full-page chat has the key in its address.
  if (page !== undefined) boot({ inbox: decodeURIComponent(location.pathname.split("/").pop()!), locale, page: true });
  else if (inbox) boot({ inbox, locale });
  if (Array.isArray(before)) (before as Call[]).forEach(run);

  function boot(options: BootOptions): void {
    (api["boot"] as (options: BootOptions) => void)(options);
  }
}

load(document.currentScript as HTMLScriptElement);
