import { Fragment, type JSX } from "preact";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import type { Message as Entry } from "../api/types";
import { clock, day } from "../text/format";
import type { Thread } from "../state/thread";
import { Bubble } from "./Bubble";
import { useAround } from "./context";
import { Icon } from "./icons";
import { nameOf, systemLine } from "./words";

const NEAR = 80;
const TOGETHER_MS = 5 * 60_000;

/** All conversations of the visitor as one, newest at the end. */
export function Timeline(): JSX.Element {
  const { messenger, t } = useAround();
  const box = useRef<HTMLDivElement>(null);
  const atEnd = useRef(true);
  const height = useRef(0);
  const { threads, thread, pending, history } = messenger;
  const first = threads[0]?.messages[0]?.id;
  const size = pending.length;
  useLayoutEffect(() => {
    // Older messages came in above: what was being read stays where it was.
    const one = box.current!;
    if (!atEnd.current) one.scrollTop += one.scrollHeight - height.current;
  }, [first]);
  useLayoutEffect(() => {
    const one = box.current!;
    if (atEnd.current || size) one.scrollTop = one.scrollHeight;
    height.current = one.scrollHeight;
  });
  useEffect(() => {
    const one = box.current!;
    const stay = new ResizeObserver(() => {
      if (atEnd.current) one.scrollTop = one.scrollHeight;
    });
    stay.observe(one);
    stay.observe(one.firstElementChild!);
    return () => stay.disconnect();
  }, []);
  const onScroll = () => {
    const one = box.current!;
    atEnd.current = one.scrollHeight - one.scrollTop - one.clientHeight < NEAR;
    height.current = one.scrollHeight;
    if (one.scrollTop < NEAR && messenger.isLoaded && !history.isComplete) void messenger.loadOlder();
  };
  return (
    <div ref={box} class="timeline" role="log" aria-label={t("messages")} aria-live="polite" aria-busy={!messenger.isLoaded} tabIndex={0} onScroll={onScroll}>
      <div class="entries">
        {messenger.isLoaded && !history.isComplete && (
          <button type="button" class="link earlier" onClick={() => void messenger.loadOlder()}>
            {t("more")}
          </button>
        )}
        {messenger.loadFailed && (
          <p class="line" role="alert">
            {t("load_failed")}{" "}
            <button type="button" class="link" onClick={() => void messenger.load()}>
              {t("retry")}
            </button>
          </p>
        )}
        {!messenger.isLoaded && !messenger.loadFailed && <p class="spinner" role="status" aria-label={t("loading")} />}
        {threads.map((one) => (
          <Fragment key={one.conversation.id}>
            {one === thread && one.isOpen && !one.hasMore && <Greeting />}
            <Entries thread={one} />
          </Fragment>
        ))}
        {messenger.isLoaded && !thread?.isOpen && (!thread || messenger.goesOn) && <Greeting />}
        {pending.map((one) => (
          <Bubble key={one.client_id} pending={one} />
        ))}
        {messenger.typist !== null && (
          <p class="typing" role="status" aria-label={t("typing", { name: nameOf({ author_kind: "agent", author_name: messenger.typist }, messenger) })}>
            <i />
            <i />
            <i />
          </p>
        )}
      </div>
    </div>
  );
}

/** What the business says first, and that nobody is there. */
function Greeting(): JSX.Element {
  const { messenger, i18n, t } = useAround();
  const greeting = i18n.of(messenger.inbox?.greeting) || t("subtitle");
  const away = messenger.isStaffed || messenger.thread?.isOpen ? "" : i18n.of(messenger.settings.texts)?.away_message || t("away_message");
  return (
    <>
      {[greeting, away].map(
        (text, at) =>
          text && (
            <div key={at} class="message in">
              <div class="bubble-text">{text}</div>
            </div>
          ),
      )}
    </>
  );
}

function Entries({ thread }: { thread: Thread }): JSX.Element {
  const { messenger, i18n, t } = useAround();
  const { messages, conversation } = thread;
  const own = messages.filter((one) => one.author_kind === "contact" && !one.recalled_at);
  const lastOwn = own[own.length - 1];
  return (
    <>
      {messages.map((one, at) => {
        const before = messages[at - 1];
        const isNewDay = !before || day(before.created_at, i18n) !== day(one.created_at, i18n);
        const system = one.content?.system;
        const line = system ? systemLine(system.code, system.params ?? {}, messenger) : "";
        if (system && !line) return null;
        const follows = !isNewDay && isTogether(before, one);
        const incoming = one.author_kind !== "contact";
        return (
          <Fragment key={one.id}>
            {isNewDay && (
              <p class="day">
                <time dateTime={one.created_at}>{day(one.created_at, i18n)}</time>
              </p>
            )}
            {system ? (
              <p class="line">{line}</p>
            ) : (
              <>
                {incoming && !follows && (
                  <p class="author">
                    {one.author_kind === "bot" && <Icon name="bot" />}
                    {nameOf(one, messenger)} <time dateTime={one.created_at}>{clock(one.created_at, i18n.locale)}</time>
                  </p>
                )}
                <Bubble message={one} thread={thread} />
                {one === lastOwn && thread === messenger.thread && (
                  <p class="mark">
                    {conversation.agent_read_public_rev >= one.public_rev ? t("read") : t("sent")} · {clock(one.created_at, i18n.locale)}
                  </p>
                )}
              </>
            )}
          </Fragment>
        );
      })}
    </>
  );
}

function isTogether(before: Entry | undefined, one: Entry): boolean {
  return (
    !!before &&
    before.author_kind === one.author_kind &&
    before.author_name === one.author_name &&
    Date.parse(one.created_at) - Date.parse(before.created_at) < TOGETHER_MS
  );
}
