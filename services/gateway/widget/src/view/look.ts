import type { BootOptions } from "../../index";
import type { Messenger } from "../state/messenger";
import { accentText, DEFAULT_ACCENT, onAccent } from "../text/colour";

const DARK = matchMedia("(prefers-color-scheme: dark)");

/** Colours, corner and language, as the inbox and the page want them. */
export class Look {
  #messenger: Messenger | null = null;

  constructor(
    private readonly host: HTMLElement,
    private readonly root: HTMLElement,
    private readonly options: BootOptions,
  ) {
    DARK.addEventListener("change", () => this.#messenger && this.follow(this.#messenger));
  }

  follow(messenger: Messenger): void {
    this.#messenger = messenger;
    const { settings, i18n } = messenger;
    const theme = this.options.theme ?? settings.theme;
    const isDark = theme === "dark" || (theme !== "light" && DARK.matches);
    const accent = this.options.color || settings.color || DEFAULT_ACCENT;
    const position = this.options.position ?? settings.position;
    this.host.classList.toggle("dark", isDark);
    this.root.className = `root${position === "left" ? " left" : ""}${isDark ? " dark" : ""}`;
    this.root.lang = i18n.locale;
    const values = {
      "--accent": accent,
      "--on-accent": onAccent(accent),
      "--accent-text": accentText(accent, isDark ? "#242a28" : "#f3f5f4"),
      "--x": `${this.options.offsetX ?? settings.offset_x ?? 20}px`,
      "--y": `${this.options.offsetY ?? settings.offset_y ?? 20}px`,
    };
    for (const [name, value] of Object.entries(values)) this.root.style.setProperty(name, value);
  }
}
