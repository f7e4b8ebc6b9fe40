import type { JSX } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { EMOJI } from "../text/emoji";
import { useAround } from "./context";
import { Icon } from "./icons";

const LONGEST = 10_000;

/** Where the visitor writes. */
export function Composer(): JSX.Element {
  const { messenger, i18n, t } = useAround();
  const { settings, storage, conversation } = messenger;
  const [text, setText] = useState(() => storage.get<string>("draft") ?? "");
  const [picks, setPicks] = useState(false);
  const input = useRef<HTMLTextAreaElement>(null);
  const picker = useRef<HTMLInputElement>(null);
  const placeholder = i18n.of(settings.texts)?.placeholder || t("placeholder");
  useLayoutEffect(() => {
    const one = input.current!;
    one.style.height = "0";
    one.style.height = `${Math.min(one.scrollHeight, 132)}px`;
  }, [text]);
  const write = (value: string) => {
    setText(value);
    storage.set("draft", value);
    messenger.setTyping(!!value);
  };
  const send = () => {
    if (!text.trim()) return;
    messenger.send({ text: { text: text.trim() } });
    write("");
    setPicks(false);
    input.current!.focus();
  };
  const onKey = (event: KeyboardEvent) => {
    // While an input method composes, Enter chooses a candidate.
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
    event.preventDefault();
    send();
  };
  const onPaste = (event: ClipboardEvent) => {
    const files = event.clipboardData?.files;
    if (settings.hide_attachments || !files?.length) return;
    event.preventDefault();
    messenger.uploads.add(files);
  };
  const insert = (emoji: string) => {
    const one = input.current!;
    one.setRangeText(emoji, one.selectionStart, one.selectionEnd, "end");
    write(one.value);
    one.focus();
  };
  return (
    <div class="composer">
      {conversation?.state === "bot" && (
        <button type="button" class="chip" onClick={() => (input.current!.focus(), void messenger.requestAgent().catch(() => null))}>
          {t("ask_person")}
        </button>
      )}
      {picks && (
        <div class="emoji" role="group" aria-label={t("emoji")} onKeyDown={(event) => event.key === "Escape" && (event.preventDefault(), setPicks(false), input.current!.focus())}>
          {EMOJI.map((one) => (
            <button type="button" onClick={() => insert(one)}>
              {one}
            </button>
          ))}
        </div>
      )}
      <div class="write">
        <textarea
          ref={input}
          rows={1}
          maxLength={LONGEST}
          value={text}
          placeholder={placeholder}
          aria-label={placeholder}
          enterkeyhint="send"
          onInput={(event) => write(event.currentTarget.value)}
          onKeyDown={onKey}
          onPaste={onPaste}
          onBlur={() => messenger.setTyping(false)}
        />
        {!settings.hide_emoji && (
          <button type="button" class="plain" aria-label={t("emoji")} aria-expanded={picks} onClick={() => setPicks(!picks)}>
            <Icon name="smile" />
          </button>
        )}
        {!settings.hide_attachments && (
          <>
            <button type="button" class="plain" aria-label={t("attach")} onClick={() => picker.current!.click()}>
              <Icon name="clip" />
            </button>
            <input
              ref={picker}
              type="file"
              multiple
              hidden
              aria-label={t("attach")}
              onChange={(event) => {
                messenger.uploads.add(event.currentTarget.files ?? []);
                event.currentTarget.value = "";
              }}
            />
          </>
        )}
        <button type="button" class="go" aria-label={t("send")} aria-disabled={!text.trim()} onClick={send}>
          <Icon name="send" />
        </button>
      </div>
    </div>
  );
}
