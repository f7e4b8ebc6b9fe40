import type { JSX } from "preact";
import { useEffect, useReducer, useRef, useState } from "preact/hooks";
import type { Messenger } from "../state/messenger";
import { setPlace } from "./context";
import { Launcher } from "./Launcher";
import { Lightbox, type Picture } from "./Lightbox";
import { Panel } from "./Panel";

/** The bubble and the panel, or the panel alone on a page of its own. */
export function Widget({ messenger, isPage }: { messenger: Messenger; isPage: boolean }): JSX.Element | null {
  const [, refresh] = useReducer((count: number) => count + 1, 0);
  const [picture, enlarge] = useState<Picture | null>(null);
  const bubble = useRef<HTMLButtonElement>(null);
  const wasOpen = useRef(messenger.isOpen);
  useEffect(() => messenger.onChange(() => refresh(undefined)), []);
  useEffect(() => {
    // The focus goes back to where it came from.
    if (wasOpen.current && !messenger.isOpen) bubble.current?.focus();
    wasOpen.current = messenger.isOpen;
  }, [messenger.isOpen]);
  if (!messenger.inbox && !messenger.fault) return null;
  setPlace({ messenger, isPage, enlarge });
  return (
    <>
      {(isPage || messenger.isOpen) && <Panel />}
      {!isPage && <Launcher button={bubble} />}
      {picture && <Lightbox picture={picture} close={() => enlarge(null)} />}
    </>
  );
}
