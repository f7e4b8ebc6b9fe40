import type { JSX } from "preact";
import type { FormField, PreChatField } from "../api/types";
import { useAround } from "./context";
import { Fields } from "./Fields";

const KNOWN = ["name", "email", "phone"] as const;

/** What the business wants to know before the first message. */
export function PreChat(): JSX.Element {
  const { messenger, i18n, t } = useAround();
  const label = (field: PreChatField) => {
    const known = KNOWN.find((name) => name === field.name);
    return i18n.of(field.label) || (known ? t(known) : field.name);
  };
  const fields = (messenger.settings.pre_chat ?? []).map(
    (field): FormField => ({
      ...field,
      label: label(field),
      type: field.type || (field.name === "email" || field.name === "phone" ? field.name : "text"),
    }),
  );
  const profile: Partial<Record<string, string>> = { ...messenger.profile };
  const given = Object.fromEntries(fields.map(({ name }) => [name, KNOWN.includes(name as "name") ? (profile[name] ?? "") : ""]));
  return (
    <div class="prechat">
      <h3>{t("prechat")}</h3>
      <p>{i18n.of(messenger.inbox?.greeting)}</p>
      <Fields fields={fields} given={given} submit={t("prechat_start")} onSubmit={(answers) => messenger.answerFirst(answers)} />
    </div>
  );
}
