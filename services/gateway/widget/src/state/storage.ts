/** The browser's storage for one inbox; memory where it is closed, as in some private windows. */
export class Storage {
  readonly #memory = new Map<string, string>();
  readonly #kept: globalThis.Storage | null;

  constructor(private readonly prefix: string) {
    this.#kept = usable();
  }

  get<T>(name: string): T | undefined {
    const text = this.#kept?.getItem(this.prefix + name) ?? this.#memory.get(name);
    try {
      return text ? (JSON.parse(text) as T) : undefined;
    } catch {
      return undefined;
    }
  }

  set(name: string, value: unknown): void {
    const text = JSON.stringify(value);
    try {
      if (!this.#kept) throw new Error();
      this.#kept.setItem(this.prefix + name, text);
      this.#memory.delete(name);
    } catch {
      this.#memory.set(name, text); // also when the quota is used up
    }
  }

  remove(name: string): void {
    this.#memory.delete(name);
    this.#kept?.removeItem(this.prefix + name);
  }

  /** The names that begin so, in order. */
  names(start: string): string[] {
    const kept = this.#kept ? Object.keys(this.#kept) : [];
    const own = kept.filter((key) => key.startsWith(this.prefix + start)).map((key) => key.slice(this.prefix.length));
    const more = [...this.#memory.keys()].filter((name) => name.startsWith(start));
    return [...new Set([...own, ...more])].sort();
  }

  /** Calls with the name that another tab changed. */
  watch(changed: (name: string) => void): void {
    addEventListener("storage", (event) => {
      if (event.key?.startsWith(this.prefix)) changed(event.key.slice(this.prefix.length));
    });
  }
}

function usable(): globalThis.Storage | null {
  try {
    const probe = "yunsong.probe";
    localStorage.setItem(probe, "1");
    localStorage.removeItem(probe);
    return localStorage;
  } catch {
    return null;
  }
}
