/** Where rows of unequal height stand: estimated until they were measured. */
export class Offsets {
  private readonly measured = new Map<string, number>()
  private keys: readonly string[] = []
  private tops = new Float64Array(1)

  constructor(private readonly estimate: (index: number) => number) {}

  get total(): number {
    return this.tops[this.keys.length] ?? 0
  }

  get count(): number {
    return this.keys.length
  }

  place(keys: readonly string[]): void {
    this.keys = keys
    const tops = new Float64Array(keys.length + 1)
    let top = 0
    for (let index = 0; index < keys.length; index++) {
      tops[index] = top
      top += this.measured.get(keys[index] as string) ?? this.estimate(index)
    }
    tops[keys.length] = top
    this.tops = tops
  }

  /** Takes what was measured; true when anything moved. */
  measure(heights: Iterable<readonly [string, number]>): boolean {
    let changed = false
    for (const [key, height] of heights) {
      if (height <= 0 || Math.abs((this.measured.get(key) ?? -1) - height) < 0.5) continue
      this.measured.set(key, height)
      changed = true
    }
    if (changed) this.place(this.keys)
    return changed
  }

  top(index: number): number {
    return this.tops[Math.max(0, Math.min(index, this.keys.length))] ?? 0
  }

  /** The row that covers a distance from the top. */
  at(y: number): number {
    let low = 0
    let high = this.keys.length - 1
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if ((this.tops[middle] as number) <= y) low = middle
      else high = middle - 1
    }
    return Math.max(0, low)
  }

  /** Forgets the heights of rows that are gone, and all of them after the width changed. */
  forget(): void {
    this.measured.clear()
    this.place(this.keys)
  }
}
