// Contrast after WCAG 2.2, so that any accent colour a business chooses stays legible.

type Rgb = [number, number, number];

export const DEFAULT_ACCENT = "#1f6f5c";

export function parse(colour: string): Rgb {
  const hex = /^#[0-9a-f]{6}$/i.test(colour) ? colour : DEFAULT_ACCENT;
  return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16)) as Rgb;
}

function luminance(rgb: Rgb): number {
  const [r, g, b] = rgb.map((one) => {
    const share = one / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  }) as Rgb;
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

export function contrast(a: Rgb, b: Rgb): number {
  const [light, dark] = [luminance(a), luminance(b)].sort((x, y) => y - x) as [number, number];
  return (light + 0.05) / (dark + 0.05);
}

function mixed(a: Rgb, b: Rgb, share: number): Rgb {
  return a.map((one, at) => Math.round(one + (b[at]! - one) * share)) as Rgb;
}

function text(rgb: Rgb): string {
  return `#${rgb.map((one) => one.toString(16).padStart(2, "0")).join("")}`;
}

const WHITE: Rgb = [255, 255, 255];

/** What is written on the accent: white while it is legible, else black, which then is. */
export function onAccent(accent: string): string {
  return contrast(parse(accent), WHITE) >= 4.5 ? "#ffffff" : "#000000";
}

/** The accent as text on a background: moved towards black or white until it is legible. */
export function accentText(accent: string, background: string): string {
  const ground = parse(background);
  const goal: Rgb = luminance(ground) > 0.4 ? [0, 0, 0] : WHITE;
  let rgb = parse(accent);
  for (let step = 0; step < 20 && contrast(rgb, ground) < 4.6; step++) rgb = mixed(rgb, goal, 0.1);
  return text(rgb);
}
