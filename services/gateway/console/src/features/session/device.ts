/** "Chrome · Windows" out of a browser's own description; empty when it says neither. */
export function deviceOf(userAgent: string): string {
  const first = (known: [string, RegExp][]): string | undefined => known.find(([, pattern]) => pattern.test(userAgent))?.[0]
  return [first(BROWSERS), first(SYSTEMS)].filter(Boolean).join(' · ')
}

// Each names itself after its ancestors too, so the more particular comes first.
const BROWSERS: [string, RegExp][] = [
  ['WeChat', /MicroMessenger/],
  ['Edge', /Edg(e|A|iOS)?\//],
  ['Opera', /OPR\//],
  ['Firefox', /Firefox\/|FxiOS/],
  ['Chrome', /Chrom(e|ium)\/|CriOS/],
  ['Safari', /Safari\//],
]
const SYSTEMS: [string, RegExp][] = [
  ['Android', /Android/],
  ['iOS', /iPhone|iPad/],
  ['HarmonyOS', /HarmonyOS|OpenHarmony/],
  ['Windows', /Windows/],
  ['macOS', /Mac OS X/],
  ['Linux', /Linux|X11/],
]
