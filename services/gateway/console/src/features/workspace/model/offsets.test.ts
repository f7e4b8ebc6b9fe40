import { describe, expect, it } from 'vitest'
import { Offsets } from './offsets'

describe('offsets of rows', () => {
  it('estimates, then measures', () => {
    const offsets = new Offsets(() => 50)
    offsets.place(['a', 'b', 'c'])
    expect([offsets.top(1), offsets.total]).toEqual([50, 150])
    expect(offsets.measure([['a', 80]])).toBe(true)
    expect([offsets.top(1), offsets.total]).toEqual([80, 180])
    expect(offsets.measure([['a', 80.2]])).toBe(false)
  })

  it('finds the row at a place', () => {
    const offsets = new Offsets(() => 10)
    offsets.place(Array.from({ length: 10_000 }, (_, index) => String(index)))
    expect(offsets.at(0)).toBe(0)
    expect(offsets.at(99_999)).toBe(9_999)
    expect(offsets.at(1_234 * 10 + 5)).toBe(1_234)
    expect(offsets.at(1e9)).toBe(9_999)
  })

  it('keeps what was measured when rows come before', () => {
    const offsets = new Offsets(() => 50)
    offsets.place(['b'])
    offsets.measure([['b', 70]])
    offsets.place(['a', 'b'])
    expect(offsets.total).toBe(120)
  })
})
