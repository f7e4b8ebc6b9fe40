import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { upcoming, wait } from "../text/format";
import { safeUrl } from "../text/linkify";
import { useAround } from "./context";
import { Icon } from "./icons";
import { nameOf } from "./words";

/** Who is there, and what can be done with the conversation. */
export function Header(): JSX.Element {
  const { messenger, isPage, i18n, t } = useAround();
  const texts = i18n.of(messenger.settings.texts);
  const title = texts?.title || messenger.inbox?.name || t("title");
  const logo = safeUrl(messenger.settings.logo_url ?? "");
  const state = messenger.conversation?.state;
  return (
    <header>
      {logo ? <img class="logo" src={logo} alt="" /> : <span class="logo letter">{title.slice(0, 1)}</span>}
      <div class="who">
        <h2 id="title">{title}</h2>
        <p class={state === "active" ? "here" : undefined} aria-live="polite">
          {useStatus()}
        </p>
      </div>
      {!messenger.fault && <Menu />}
      {!isPage && (
        <button type="button" class="plain" aria-label={t("close_chat")} onClick={() => messenger.show(false)}>
          <Icon name="close" />
        </button>
      )}
    </header>
  );
}

function useStatus(): string {
  const { messenger, i18n, t } = useAround();
  const { conversation, place } = messenger;
  const subtitle = i18n.of(messenger.settings.texts)?.subtitle || t("subtitle");
  switch (conversation?.state) {
    case "active":
      return t("agent_here", { name: nameOf({ author_kind: "agent", author_name: conversation.agent_name }, messenger) });
    case "queued": {
      if (!place) return t("queue_waiting");
      const at = place.position === 1 ? t("queue_next") : t("queue", { position: place.position });
      return place.estimate_known ? `${at} · ${t("wait", { wait: wait(place.estimated_wait_s, i18n) })}` : at;
    }
    case "bot":
      return t("with_bot");
    default:
      if (messenger.isStaffed) return subtitle;
      return messenger.nextOpenAt ? t("away_until", { time: upcoming(messenger.nextOpenAt, i18n) }) : t("away");
  }
}

function Menu(): JSX.Element {
  const { messenger, t } = useAround();
  const [isShown, setShown] = useState(false);
  const [asks, setAsks] = useState(false);
  const box = useRef<HTMLDivElement>(null);
  const state = messenger.conversation?.state;
  useEffect(() => {
    if (!isShown) return;
    box.current!.querySelector<HTMLElement>("[role=menuitem]")?.focus();
    const away = (event: Event) => event.composedPath().includes(box.current!) || setShown(false);
    document.addEventListener("pointerdown", away);
    return () => document.removeEventListener("pointerdown", away);
  }, [isShown]);
  const onKey = (event: KeyboardEvent) => {
    if (!isShown) return;
    const items = [...box.current!.querySelectorAll<HTMLElement>("[role=menuitem]")];
    const at = items.indexOf((box.current!.getRootNode() as ShadowRoot).activeElement as HTMLElement);
    const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    if (step) items[(at + step + items.length) % items.length]?.focus();
    else if (event.key === "Escape") {
      setShown(false);
      box.current!.querySelector<HTMLElement>("button")!.focus();
    } else return;
    event.preventDefault();
  };
  const item = (label: string, act: () => void) => (
    <button type="button" role="menuitem" onClick={() => (setShown(false), act())}>
      {label}
    </button>
  );
  return (
    <div class="menu" ref={box} onKeyDown={onKey}>
      <button type="button" class="plain" aria-label={t("menu")} aria-haspopup="menu" aria-expanded={isShown} onClick={() => setShown(!isShown)}>
        <Icon name="more" />
      </button>
      {isShown && (
        <div role="menu">
          {state !== "active" && state !== "queued" && item(t("ask_person"), () => void messenger.requestAgent())}
          {item(messenger.isMuted ? t("sound_on") : t("sound_off"), () => messenger.mute(!messenger.isMuted))}
          {messenger.thread?.isOpen && item(t("end"), () => setAsks(true))}
        </div>
      )}
      {asks && (
        <div class="ask" role="alertdialog" aria-label={t("end_sure")}>
          <p>{t("end_sure")}</p>
          <button type="button" class="quiet" ref={(one) => one?.focus()} onClick={() => setAsks(false)}>
            {t("cancel")}
          </button>
          <button type="button" class="strong" onClick={() => (setAsks(false), void messenger.end().catch(() => null))}>
            {t("end_yes")}
          </button>
        </div>
      )}
    </div>
  );
}
