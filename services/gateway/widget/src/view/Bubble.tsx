import type { JSX } from "preact";
import type { Message } from "../api/types";
import type { Pending } from "../state/outbox";
import type { Thread } from "../state/thread";
import { useAround } from "./context";
import { Body } from "./content/Body";

/** One message, or one that is still on its way. */
export function Bubble(props: { message: Message; thread: Thread } | { pending: Pending }): JSX.Element {
  const { messenger, t } = useAround();
  if ("pending" in props) return <OnItsWay pending={props.pending} />;
  const { message, thread } = props;
  const side = message.author_kind === "contact" ? "out" : "in";
  const isLast = thread === messenger.thread && thread.isOpen && !thread.messages.some((one) => one.public_rev > message.public_rev && one.author_kind === "contact");
  return (
    <div class={`message ${side}`} data-id={message.id}>
      {message.recalled_at || !message.content ? (
        <div class="bubble-text recalled">{t("recalled")}</div>
      ) : (
        <Body content={message.content} message={message} isLive={isLast && !messenger.pending.length} />
      )}
      {message.edited_at && !message.recalled_at && <small>{t("edited")}</small>}
    </div>
  );
}

function OnItsWay({ pending }: { pending: Pending }): JSX.Element {
  const { messenger, t } = useAround();
  const words = pending.error ? t("failed") : messenger.isSent(pending) ? t("sent") : messenger.isUp ? t("sending") : t("waiting");
  return (
    <>
      <div class="message out pending">
        <Body content={pending.content} isLive={false} />
      </div>
      <p class={pending.error ? "mark wrong" : "mark"}>
        {words}
        {pending.error && (
          <>
            <button type="button" class="link" onClick={() => messenger.retry(pending)}>
              {t("retry")}
            </button>
            <button type="button" class="link" onClick={() => messenger.discard(pending)}>
              {t("delete")}
            </button>
          </>
        )}
      </p>
    </>
  );
}
