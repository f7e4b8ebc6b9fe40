import type { Messenger } from "../state/messenger";
import type { I18n } from "../text/i18n";

export interface Place {
  messenger: Messenger;
  /** A page of its own, without a bubble. */
  isPage: boolean;
  /** Shows a picture large. */
  enlarge(picture: { url: string; name: string }): void;
}

let place: Place;

/** There is one widget in a page, so a variable does what a context would, in fewer bytes. Set before each render. */
export function setPlace(now: Place): void {
  place = now;
}

export function useAround(): Place & { i18n: I18n; t: I18n["t"] } {
  const i18n = place.messenger.i18n;
  return { ...place, i18n, t: i18n.t.bind(i18n) };
}
