import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { useAround } from "./context";
import { Icon } from "./icons";
import { trap } from "./trap";

export interface Picture {
  url: string;
  name: string;
}

/** A picture over the whole window. */
export function Lightbox({ picture, close }: { picture: Picture; close(): void }): JSX.Element {
  const { t } = useAround();
  const box = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    const root = box.current!.getRootNode() as ShadowRoot;
    const before = root.activeElement as HTMLElement | null;
    button.current!.focus();
    return () => before?.focus();
  }, []);
  const onKey = (event: KeyboardEvent) => {
    event.stopPropagation();
    if (event.key === "Escape") close();
    else trap(event, box.current!);
  };
  return (
    <div ref={box} class="lightbox" role="dialog" aria-modal="true" aria-label={picture.name} onKeyDown={onKey} onClick={close}>
      <img src={picture.url} alt={picture.name} onClick={(event) => event.stopPropagation()} />
      <div class="lightbox-bar" onClick={(event) => event.stopPropagation()}>
        <a href={picture.url} download={picture.name} target="_blank" rel="noopener noreferrer">
          {t("download")}
        </a>
        <button ref={button} type="button" aria-label={t("close")} onClick={close}>
          <Icon name="close" />
        </button>
      </div>
    </div>
  );
}
