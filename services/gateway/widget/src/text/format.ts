import type { I18n } from "./i18n";

/** Hours and minutes. */
export function clock(time: string | number, locale: string): string {
  return new Date(time).toLocaleTimeString(locale, { hour: "2-digit", minute: "2-digit" });
}

/** "Today", "Yesterday", or the date. */
export function day(time: string | number, i18n: I18n, now = new Date()): string {
  const date = new Date(time);
  const start = (of: Date) => new Date(of.getFullYear(), of.getMonth(), of.getDate()).getTime();
  const days = Math.round((start(now) - start(date)) / 86_400_000);
  if (days === 0) return i18n.t("today");
  if (days === 1) return i18n.t("yesterday");
  const year = date.getFullYear() === now.getFullYear() ? undefined : "numeric";
  return date.toLocaleDateString(i18n.locale, { year, month: "long", day: "numeric" });
}

/** When something comes: the time alone today, else with the day. */
export function upcoming(time: string, i18n: I18n, now = new Date()): string {
  const date = new Date(time);
  const sameDay = date.toDateString() === now.toDateString();
  const options: Intl.DateTimeFormatOptions = sameDay
    ? { hour: "2-digit", minute: "2-digit" }
    : { weekday: "long", hour: "2-digit", minute: "2-digit" };
  return date.toLocaleString(i18n.locale, options);
}

/** 1536 -> "1.5 kB". */
export function bytes(size: number): string {
  const units = ["B", "kB", "MB", "GB"];
  const step = Math.min(units.length - 1, size > 0 ? Math.floor(Math.log(size) / Math.log(1000)) : 0);
  const value = size / 1000 ** step;
  return `${value < 10 && step ? value.toFixed(1) : Math.round(value)} ${units[step]}`;
}

/** An estimate in words that promise no more than it knows. */
export function wait(seconds: number, i18n: I18n): string {
  return seconds < 60 ? i18n.t("wait_moment") : i18n.t("wait_minutes", { minutes: Math.ceil(seconds / 60) });
}
