import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { Word } from "../text/i18n";
import { useAround } from "./context";
import { Icon } from "./icons";

const SCORES = [1, 2, 3, 4, 5];

/** After the end: the rating, and the way to begin again. */
export function Ended(): JSX.Element {
  const { messenger, t } = useAround();
  const { can_rate, csat_score } = messenger.conversation!;
  return (
    <div class="ended">
      {can_rate ? <Rating score={csat_score} /> : csat_score ? <p>{t("rated")}</p> : <p>{t("ended")}</p>}
      <button type="button" class={can_rate && !csat_score ? "quiet" : "strong"} onClick={() => ((messenger.goesOn = true), messenger.changed())}>
        {t("new")}
      </button>
    </div>
  );
}

function Rating({ score }: { score: number }): JSX.Element {
  const { messenger, t } = useAround();
  const [chosen, choose] = useState(score);
  const [comment, setComment] = useState("");
  const [changes, setChanges] = useState(false);
  const [failed, setFailed] = useState(false);
  if (score && !changes) {
    return (
      <p role="status">
        {t("rated")} {"★".repeat(score)}{" "}
        <button type="button" class="link" onClick={() => setChanges(true)}>
          {t("rate_change")}
        </button>
      </p>
    );
  }
  const send = async (event: Event) => {
    event.preventDefault();
    try {
      await messenger.rate(chosen, comment.trim());
      setChanges(false);
    } catch {
      setFailed(true);
    }
  };
  return (
    <form class="rating" onSubmit={(event) => void send(event)}>
      <fieldset>
        <legend>{t("rate")}</legend>
        {SCORES.map((one) => (
          <label class={one <= chosen ? "on" : undefined}>
            <input type="radio" name="score" checked={one === chosen} onChange={() => choose(one)} aria-label={t(`rate_${one}` as Word)} />
            <Icon name="star" filled={one <= chosen} />
          </label>
        ))}
        <span>{chosen ? t(`rate_${chosen}` as Word) : ""}</span>
      </fieldset>
      {!!chosen && (
        <>
          <textarea rows={2} maxLength={1000} aria-label={t("rate_comment")} placeholder={t("rate_comment")} value={comment} onInput={(event) => setComment(event.currentTarget.value)} />
          <button class="strong">{t("rate_send")}</button>
        </>
      )}
      {failed && (
        <p class="wrong" role="alert">
          {t("form_failed")}
        </p>
      )}
    </form>
  );
}
