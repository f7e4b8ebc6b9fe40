import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { FileContent } from "../../api/types";
import type { Rest } from "../../api/rest";
import { bytes } from "../../text/format";
import { useAround } from "../context";
import { Icon } from "../icons";

const FRESH_MS = 50 * 60_000; // a signed address lives for an hour
const addresses = new Map<string, { url: Promise<string>; at: number }>();

function addressOf(rest: Rest, id: string): Promise<string> {
  const known = addresses.get(id);
  if (known && Date.now() - known.at < FRESH_MS) return known.url;
  const url = rest.get<{ url: string }>(`/files/${id}`).then((file) => new URL(file.url, rest.base).href);
  url.catch(() => addresses.delete(id));
  addresses.set(id, { url, at: Date.now() });
  return url;
}

/** The file's address: undefined while it is asked for, empty when it cannot be had. */
function useAddress(id: string): string | undefined {
  const { rest } = useAround().messenger;
  const [url, setUrl] = useState<string>();
  useEffect(() => {
    let isHere = true;
    addressOf(rest, id).then(
      (found) => isHere && setUrl(found),
      () => isHere && setUrl(""),
    );
    return () => void (isHere = false);
  }, [id]);
  return url;
}

export function Picture({ file }: { file: FileContent }): JSX.Element {
  const { enlarge, t } = useAround();
  const url = useAddress(file.file_id);
  const name = file.name || t("picture");
  const { width = 4, height = 3 } = file.width ? file : {};
  if (url === "") return <Missing />;
  return (
    <button type="button" class="picture" aria-label={t("enlarge", { name })} onClick={() => url && enlarge({ url, name })}>
      {url ? <img src={url} alt={name} style={{ aspectRatio: `${width} / ${height}`, width: `${Math.min(width, 232)}px` }} /> : <span class="blank" style={{ aspectRatio: `${width} / ${height}` }} />}
    </button>
  );
}

export function FileLink({ file }: { file: FileContent }): JSX.Element {
  const url = useAddress(file.file_id);
  const { t } = useAround();
  if (url === "") return <Missing />;
  return (
    <a class="bubble-text attached" href={url} download={file.name} target="_blank" rel="noopener noreferrer" aria-label={`${t("download")} ${file.name}`}>
      <Icon name="file" />
      <span>
        <b>{file.name}</b>
        <small>{bytes(file.size)}</small>
      </span>
    </a>
  );
}

export function Player({ file, kind }: { file: FileContent; kind: "audio" | "video" }): JSX.Element {
  const url = useAddress(file.file_id);
  if (url === "") return <Missing />;
  const Kind = kind;
  return <Kind class={kind} controls preload="metadata" src={url} aria-label={file.name} />;
}

function Missing(): JSX.Element {
  return <div class="bubble-text recalled">{useAround().t("unavailable")}</div>;
}
