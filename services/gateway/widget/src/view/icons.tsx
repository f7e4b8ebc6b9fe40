import type { JSX } from "preact";

const PATHS = {
  chat: "M4 5.5A2.5 2.5 0 0 1 6.5 3h11A2.5 2.5 0 0 1 20 5.500v8a2.5 2.5 0 0 1-2.5 2.500H11l-4.300 4.100A1 1 0 0 1 5 19.400V16a2.5 2.5 0 0 1-1-2z",
  down: "m6 9.5 6 6 6-6",
  close: "M6 6l12 12M18 6 6 18",
  send: "M12 19V5.500M6 11l6-6 6 6",
  clip: "m20 11-8.200 8.200a5 5 0 0 1-7-7L13 4a3.300 3.300 0 0 1 4.700 4.700l-8.200 8.200a1.700 1.700 0 0 1-2.400-2.400l7.5-7.5",
  smile: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18M8.5 14.500c1.700 2.300 5.300 2.300 7 0M9 9.500v.500M15 9.500v.5",
  more: "M6 12h.01M12 12h.01M18 12h.01",
  file: "M14 3H7a1.5 1.5 0 0 0-1.5 1.500v15A1.5 1.5 0 0 0 7 21h10a1.5 1.5 0 0 0 1.5-1.500V7.500zM14 3v4.500h4.5",
  pin: "M12 21s7-6 7-11.500a7 7 0 0 0-14 0C5 15 12 21 12 21M12 12a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5",
  bot: "M12 3v3M6.5 6h11A2.5 2.5 0 0 1 20 8.500v8a2.5 2.5 0 0 1-2.5 2.500h-11A2.5 2.5 0 0 1 4 16.500v-8A2.5 2.5 0 0 1 6.5 6M9 12v1M15 12v1",
  star: "m12 3.5 2.600 5.400 5.900.800-4.300 4.100 1 5.900-5.200-2.800-5.200 2.800 1-5.900L3.5 9.700l5.900-.800z",
};

export type IconName = keyof typeof PATHS;

export function Icon({ name, filled }: { name: IconName; filled?: boolean }): JSX.Element {
  return (
    <svg class={filled ? "icon filled" : "icon"} viewBox="0 0 24 24" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}
