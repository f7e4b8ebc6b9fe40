import { describe, expect, it } from 'vitest'
import { join, split } from './durations'

describe('durations', () => {
  it('chooses the largest unit without a rest', () => {
    expect(split(86_400)).toEqual({ value: 1, unit: 'day' })
    expect(split(5_400)).toEqual({ value: 90, unit: 'minute' })
    expect(split(7_200)).toEqual({ value: 2, unit: 'hour' })
  })

  it('keeps seconds where they are allowed, and fractions where they are not', () => {
    expect(split(20, ['second', 'minute'])).toEqual({ value: 20, unit: 'second' })
    expect(split(90)).toEqual({ value: 1.5, unit: 'minute' })
  })

  it('gives back what it was given', () => {
    for (const seconds of [0, 20, 60, 90, 3_600, 100_000, 604_800]) {
      const allowed = ['second', 'minute', 'hour', 'day'] as const
      expect(join(split(seconds, allowed))).toBe(seconds)
    }
  })

  it('takes nothing, and less than nothing, for never', () => {
    expect(join({ value: Number.NaN, unit: 'hour' })).toBe(0)
    expect(join({ value: -1, unit: 'hour' })).toBe(0)
  })
})
