import type { Messenger } from "../state/messenger";

/** The title of the chat's own page: the business's, with what waits to be read. */
export class TitleBadge {
  follow(messenger: Messenger): void {
    const { i18n, settings, inbox, unread } = messenger;
    const title = i18n.of(settings.texts)?.title || inbox?.name || i18n.t("title");
    document.title = unread ? `(${unread}) ${title}` : title;
    document.documentElement.lang = i18n.locale;
  }
}
