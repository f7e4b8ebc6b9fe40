import type { Message } from "../api/types";
import type { Messenger } from "../state/messenger";
import type { I18n, Word } from "../text/i18n";

/** The name above a message of the business. */
export function nameOf(message: Pick<Message, "author_kind" | "author_name">, messenger: Messenger): string {
  const { i18n, settings } = messenger;
  if (message.author_kind === "bot") return i18n.t("bot");
  return (!settings.hide_agent_names && message.author_name) || messenger.inbox?.name || i18n.t("team");
}

/** A message in a few words. */
export function summaryOf({ content }: Message, i18n: I18n): string {
  if (!content) return i18n.t("recalled");
  const { text, buttons, form, card, location } = content;
  const file = content.file ?? content.audio ?? content.video;
  if (content.image) return `[${i18n.t("picture")}]`;
  return text?.text ?? buttons?.text ?? form?.title ?? card?.title ?? location?.label ?? file?.name ?? "";
}

const LINES: Record<string, Word> = {
  "conversation.handed_off": "sys_handed_off",
  "conversation.assigned": "sys_assigned",
  "conversation.transferred": "sys_transferred",
  "conversation.off_hours": "sys_off_hours",
  "conversation.idle_reminder": "sys_idle_reminder",
  "conversation.closed": "sys_closed",
};
const REASONS: Record<string, Word> = { contact: "sys_closed_contact", idle: "sys_closed_idle" };

/** A line of the product in the visitor's language; nothing for one that this version does not know. */
export function systemLine(code: string, params: Record<string, string>, messenger: Messenger): string {
  let word = LINES[code];
  if (word === "sys_closed") word = REASONS[params.reason ?? ""] ?? word;
  if (word === "sys_assigned" && (messenger.settings.hide_agent_names || !params.agent_name)) word = "sys_assigned_team";
  return word ? messenger.i18n.t(word, params) : "";
}
