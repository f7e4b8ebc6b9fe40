import type { JSX, RefObject } from "preact";
import { isIncoming } from "../state/thread";
import { useAround } from "./context";
import { Icon } from "./icons";
import { nameOf, summaryOf } from "./words";

/** The bubble in the corner, with what waits to be read. */
export function Launcher({ button }: { button: RefObject<HTMLButtonElement | null> }): JSX.Element {
  const { messenger, i18n, t } = useAround();
  const { isOpen, unread, settings } = messenger;
  const label = i18n.of(settings.texts)?.launcher_label;
  const newest = unread && !isOpen ? messenger.thread?.messages.filter(isIncoming).pop() : undefined;
  const show = () => messenger.show(!messenger.isOpen);
  return (
    <div class={`launcher${isOpen ? " open" : ""}`}>
      {newest && (
        <button type="button" class="peek" onClick={show}>
          <b>{nameOf(newest, messenger)}</b>
          <span>{summaryOf(newest, i18n)}</span>
        </button>
      )}
      <button
        ref={button}
        type="button"
        class={label && !isOpen ? "bubble wide" : "bubble"}
        aria-expanded={isOpen}
        aria-haspopup="dialog"
        aria-label={`${isOpen ? t("close_chat") : label || t("open_chat")}${unread ? `, ${t("unread", { count: unread })}` : ""}`}
        onClick={show}
      >
        <Icon name={isOpen ? "down" : "chat"} filled={!isOpen} />
        {label && !isOpen && <span>{label}</span>}
        {!!unread && !isOpen && <i class="badge">{unread > 99 ? "99+" : unread}</i>}
      </button>
    </div>
  );
}
