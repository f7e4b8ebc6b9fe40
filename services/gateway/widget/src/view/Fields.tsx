import type { JSX } from "preact";
import { useRef, useState } from "preact/hooks";
import { Problem } from "../api/problem";
import type { FormField } from "../api/types";
import { check } from "../text/check";
import type { Word } from "../text/i18n";
import { useAround } from "./context";

interface Props {
  fields: FormField[];
  given?: Record<string, string>;
  submit: string;
  onSubmit(answers: Record<string, string>): Promise<void>;
}

let forms = 0;

/** The fields of a form, checked when it is sent; the first wrong one gets the focus. */
export function Fields({ fields, given = {}, submit, onSubmit }: Props): JSX.Element {
  const { t } = useAround();
  const form = useRef<HTMLFormElement>(null);
  const [id] = useState(() => ++forms);
  const [values, setValues] = useState(given);
  const [wrong, setWrong] = useState<Record<string, Word>>({});
  const [busy, setBusy] = useState(false);
  const point = (faults: Record<string, Word>) => {
    setWrong(faults);
    const first = fields.find((field) => faults[field.name]);
    if (first) form.current!.querySelector<HTMLElement>(`[name="${first.name}"]`)?.focus();
  };
  const send = async (event: Event) => {
    event.preventDefault();
    const faults = check(fields, values);
    point(faults);
    if (Object.keys(faults).length || busy) return;
    setBusy(true);
    const answers = Object.entries(values).map(([name, value]) => [name, value.trim()] as const);
    try {
      await onSubmit(Object.fromEntries(answers.filter(([, value]) => value)));
    } catch (error) {
      const refused = error instanceof Problem ? error.violations.map((one) => one.field) : [];
      const found = fields.filter((field) => refused.includes(field.name)).map((field) => [field.name, "invalid"] as const);
      point(found.length ? Object.fromEntries(found) : { "": "form_failed" });
    }
    setBusy(false);
  };
  return (
    <form ref={form} noValidate onSubmit={(event) => void send(event)}>
      {fields.map((field) => {
        const fault = wrong[field.name];
        const control = {
          id: `f${id}-${field.name}`,
          name: field.name,
          value: values[field.name] ?? "",
          required: field.required,
          "aria-invalid": !!fault,
          list: undefined,
          "aria-describedby": fault ? `e${id}-${field.name}` : undefined,
          onInput: (event: Event) => setValues({ ...values, [field.name]: (event.target as HTMLInputElement).value }),
        };
        return (
          <div class="field">
            <label for={control.id}>
              {field.label}
              {!field.required && <small> ({t("optional")})</small>}
            </label>
            {field.type === "select" ? (
              <select {...control}>
                <option value="">{t("choose")}</option>
                {field.options.map((one) => (
                  <option value={one}>{one}</option>
                ))}
              </select>
            ) : field.type === "textarea" ? (
              <textarea rows={3} maxLength={1000} {...control} />
            ) : (
              <input type={TYPES[field.type] ?? "text"} autocomplete={AUTOCOMPLETE[field.name]} maxLength={254} {...control} />
            )}
            {fault && (
              <small class="wrong" id={control["aria-describedby"]}>
                {t(fault)}
              </small>
            )}
          </div>
        );
      })}
      {wrong[""] && (
        <p class="wrong" role="alert">
          {t(wrong[""])}
        </p>
      )}
      <button class="strong" aria-disabled={busy}>
        {submit}
      </button>
    </form>
  );
}

const TYPES: Record<string, "email" | "tel" | "number"> = { email: "email", phone: "tel", number: "number" };
const AUTOCOMPLETE: Record<string, string> = { name: "name", email: "email", phone: "tel" };
