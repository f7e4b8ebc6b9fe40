import type { JSX } from "preact";
import { bytes } from "../text/format";
import { useAround } from "./context";

const LIMIT = 20 * 1024 * 1024;

/** What stands between the messages and the input: the connection, uploads. */
export function Notices(): JSX.Element {
  const { messenger, t } = useAround();
  const { uploads } = messenger;
  const isOffline = navigator.onLine === false;
  return (
    <div class="notices">
      {(isOffline || (messenger.isLoaded && !messenger.isUp)) && (
        <p class="notice" role="status">
          {isOffline ? t("offline") : t("connecting")}
        </p>
      )}
      {uploads.all.map((one) => (
        <div class={one.error ? "upload wrong" : "upload"} key={one.id}>
          {one.preview && <img src={one.preview} alt="" />}
          <div>
            <b>{one.name}</b>
            {one.error ? (
              <span role="alert">{t(`upload_${one.error as "size"}`, { limit: bytes(LIMIT) })}</span>
            ) : (
              <progress max={1} value={one.share} aria-label={t("uploading", { name: one.name })} />
            )}
          </div>
          {one.error === "network" && (
            <button type="button" class="link" onClick={() => uploads.retry(one.id)}>
              {t("retry")}
            </button>
          )}
          <button type="button" class="link" onClick={() => uploads.remove(one.id)}>
            {one.error ? t("delete") : t("cancel")}
          </button>
        </div>
      ))}
    </div>
  );
}
