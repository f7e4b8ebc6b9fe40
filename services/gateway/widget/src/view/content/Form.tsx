import type { JSX } from "preact";
import type { FormContent, Message } from "../../api/types";
import { useAround } from "../context";
import { Fields } from "../Fields";

/** A form to fill in, or what was filled in. */
export function Form({ form, message, isLive }: { form: FormContent; message?: Message; isLive: boolean }): JSX.Element {
  const { messenger, t } = useAround();
  const reply = message && messenger.threads.flatMap((one) => one.messages).find((one) => one.content?.form?.reply_to_message_id === message.id);
  const answers = form.answers ?? reply?.content?.form?.answers;
  const isAnswer = !!form.reply_to_message_id;
  return (
    <div class="form">
      <b>{form.title}</b>
      {isAnswer || !isLive || reply ? (
        <dl>
          {form.fields.map((field) => (
            <>
              <dt>{field.label}</dt>
              <dd>{answers?.[field.name] || "–"}</dd>
            </>
          ))}
        </dl>
      ) : (
        <Fields
          fields={form.fields}
          submit={t("submit")}
          onSubmit={async (given) => {
            messenger.send({ form: { ...form, answers: given, reply_to_message_id: message!.id } });
          }}
        />
      )}
    </div>
  );
}
