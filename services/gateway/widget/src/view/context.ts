import { createContext } from "preact";
import { useContext } from "preact/hooks";
import type { Messenger } from "../state/messenger";
import type { I18n } from "../text/i18n";

export interface Place {
  messenger: Messenger;
  /** A page of its own, without a bubble. */
  isPage: boolean;
  /** Shows a picture large. */
  enlarge(picture: { url: string; name: string }): void;
}

export const Around = createContext<Place>(null as never);

export function useAround(): Place & { i18n: I18n; t: I18n["t"] } {
  const around = useContext(Around);
  const i18n = around.messenger.i18n;
  return { ...around, i18n, t: i18n.t.bind(i18n) };
}
