import { type Word, WORDS } from "./words";

export type { Word };

/** The words of one language. */
export class I18n {
  locale: string;

  constructor(private wanted: string) {
    this.locale = this.#choose("");
  }

  /** Sets the language that the page asks for; empty = as the page or the browser has it. */
  set(wanted: string): void {
    this.wanted = wanted;
    this.locale = this.#choose("");
  }

  /** The inbox's language, where neither the page nor the browser asks for one that the widget speaks. */
  fallBackTo(locale: string): void {
    this.locale = this.#choose(locale);
  }

  #choose(fallback: string): string {
    const asked = [this.wanted, document.documentElement.lang, ...(navigator.languages ?? []), fallback];
    for (const one of asked) {
      const found = match(one, Object.keys(WORDS));
      if (found) return found;
    }
    return "en";
  }

  t(word: Word, params: Record<string, string | number> = {}): string {
    const text = WORDS[this.locale]![word];
    return text.replace(/\{(\w+)\}/g, (_, name: string) => String(params[name] ?? ""));
  }

  /** The entry of a map by language that suits best. */
  of<T>(byLanguage: Record<string, T> | undefined | null): T | undefined {
    if (!byLanguage) return undefined;
    const keys = Object.keys(byLanguage);
    const key = match(this.locale, keys) || match("en", keys) || keys[0];
    return key === undefined ? undefined : byLanguage[key];
  }
}

/** The known language for a wanted one: the same, or one with the same first part. */
export function match(wanted: string | undefined, known: string[]): string {
  const base = (locale: string) => locale.toLowerCase().split(/[-_]/)[0];
  if (!wanted) return "";
  return known.find((one) => one.toLowerCase() === wanted.toLowerCase()) ?? known.find((one) => base(one) === base(wanted)) ?? "";
}
