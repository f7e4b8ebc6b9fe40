/** Colours as the widget reckons with them (WCAG 2.2). */

export const PRODUCT_COLOR = '#1f6f5c'
const WHITE = '#ffffff'
const INK = '#11181c'
const LEGIBLE = 4.5

/** What is written on a colour: white while it is legible, else near black. */
export function textOn(color: string): string {
  const onWhite = contrast(color, WHITE)
  return onWhite >= LEGIBLE || onWhite >= contrast(color, INK) ? WHITE : INK
}

function contrast(one: string, other: string): number {
  const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b) as [number, number]
  return (light + 0.05) / (dark + 0.05)
}

/** Relative luminance, 0 to 1. */
function luminance(color: string): number {
  const [red, green, blue] = [1, 3, 5].map((at) => {
    const part = Number.parseInt(color.slice(at, at + 2), 16) / 255
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4
  }) as [number, number, number]
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue
}
