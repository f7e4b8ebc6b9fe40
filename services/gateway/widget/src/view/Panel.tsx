import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { Composer } from "./Composer";
import { useAround } from "./context";
import { Ended } from "./Ended";
import { Header } from "./Header";
import { PreChat } from "./PreChat";
import { Notices } from "./Notices";
import { Timeline } from "./Timeline";
import { trap } from "./trap";

const PHONE = "(max-width: 480px)";

/** The chat itself: a dialog beside the page; on a phone it takes the screen and keeps the focus. */
export function Panel(): JSX.Element {
  const { messenger, isPage, t } = useAround();
  const { fault, thread } = messenger;
  const panel = useRef<HTMLDivElement>(null);
  const [dragging, setDragging] = useState(0);
  const isModal = !isPage && matchMedia(PHONE).matches;
  useEffect(() => {
    if (isPage) return;
    // Not into the input at once on a phone: its keyboard would hide what is to be read.
    const target = isModal ? null : panel.current!.querySelector<HTMLElement>("textarea");
    (target ?? panel.current!).focus({ preventScroll: true });
  }, []);
  useEffect(() => followKeyboard(panel.current!), []);
  const onKey = (event: KeyboardEvent) => {
    if (event.key === "Escape" && !isPage && !event.defaultPrevented) messenger.show(false);
    else if (isModal) trap(event, panel.current!);
  };
  // What was pressed may be gone or disabled after that; the keyboard must not fall out of the panel with it.
  const onClick = () => {
    const one = panel.current; // gone already when it was closed by this
    if (one) setTimeout(() => (one.getRootNode() as ShadowRoot).activeElement ?? one.focus(), 50);
  };
  const takes = !messenger.settings.hide_attachments && !fault && !messenger.asksFirst;
  const onDrop = (event: DragEvent) => {
    setDragging(0);
    if (!takes || !event.dataTransfer?.files.length) return;
    event.preventDefault();
    messenger.uploads.add(event.dataTransfer.files);
  };
  const isEnded = thread && !thread.isOpen && !messenger.goesOn && !messenger.pending.length;
  return (
    <div
      ref={panel}
      class={isPage ? "panel page" : "panel"}
      role={isPage ? "main" : "dialog"}
      aria-modal={isModal || undefined}
      aria-labelledby="title"
      tabIndex={-1}
      onKeyDown={onKey}
      onClick={onClick}
      onDragEnter={() => setDragging((depth) => depth + 1)}
      onDragLeave={() => setDragging((depth) => depth - 1)}
      onDragOver={(event) => takes && event.preventDefault()}
      onDrop={onDrop}
    >
      <Header />
      {fault ? (
        <p class="fault" role="alert">
          {t(`fault_${fault}`)}
        </p>
      ) : messenger.asksFirst ? (
        <PreChat />
      ) : (
        <>
          <Timeline />
          <Notices />
          {isEnded ? <Ended /> : <Composer />}
        </>
      )}
      {takes && dragging > 0 && <div class="drop">{t("drop")}</div>}
    </div>
  );
}

/** A phone's keyboard covers the layout viewport; the panel keeps to what is left. */
function followKeyboard(panel: HTMLElement): () => void {
  const view = window.visualViewport;
  if (!view) return () => undefined;
  const fit = () => {
    panel.style.setProperty("--height", `${view.height}px`);
    panel.style.setProperty("--top", `${view.offsetTop}px`);
  };
  fit();
  view.addEventListener("resize", fit);
  view.addEventListener("scroll", fit);
  return () => {
    view.removeEventListener("resize", fit);
    view.removeEventListener("scroll", fit);
  };
}
