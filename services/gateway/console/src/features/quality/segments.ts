export interface Segment {
  text: string
  hit: boolean
}

/** Cuts a text where one of the phrases stands, letter case ignored; what overlaps is one segment. */
export function segments(text: string, phrases: readonly string[]): Segment[] {
  const ranges: [number, number][] = []
  const lower = text.toLowerCase()
  for (const phrase of phrases) {
    const wanted = phrase.toLowerCase()
    for (let at = wanted ? lower.indexOf(wanted) : -1; at >= 0; at = lower.indexOf(wanted, at + wanted.length)) ranges.push([at, at + wanted.length])
  }
  const found: Segment[] = []
  let end = 0
  const push = (from: number, to: number, hit: boolean) => {
    if (to > from) found.push({ text: text.slice(from, to), hit })
  }
  for (const [from, to] of ranges.sort((one, other) => one[0] - other[0])) {
    if (to <= end) continue
    push(end, from, false)
    push(Math.max(from, end), to, true)
    end = to
  }
  push(end, text.length, false)
  return found
}
