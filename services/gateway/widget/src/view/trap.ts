const FOCUSABLE = "a[href],button:not(:disabled),input:not(:disabled),select,textarea,[tabindex='0'],audio[controls],video[controls]";

/** Keeps Tab inside an element. */
export function trap(event: KeyboardEvent, inside: HTMLElement): void {
  if (event.key !== "Tab") return;
  const all = [...inside.querySelectorAll<HTMLElement>(FOCUSABLE)].filter((one) => one.offsetParent !== null);
  const active = (inside.getRootNode() as ShadowRoot).activeElement;
  const [first, last] = [all[0], all[all.length - 1]];
  if (event.shiftKey ? active === first : active === last) {
    event.preventDefault();
    (event.shiftKey ? last : first)?.focus();
  }
}
