import { describe, expect, it } from 'vitest'
import { FIGURES, clock, figureOf, valueOf, worded, type Row } from './figures'
import en from './locales/en.json'
import zh from './locales/zh-CN.json'

const row = { assigned: 0, wait_avg_s: 0, conversations: 1234, csat_count: 2, csat_avg: 4.5 } as Row

describe('figures', () => {
  it('shows none where nothing stands behind an average', () => {
    expect(worded(valueOf(row, figureOf('wait_avg_s')), 'seconds', 'en')).toBe('—')
    expect(worded(valueOf(row, figureOf('csat_avg')), 'rating', 'en')).toBe('4.5')
    expect(worded(valueOf(row, figureOf('conversations')), 'count', 'en')).toBe('1,234')
    expect(worded(0.125, 'share', 'en')).toBe('12.5%')
  })

  it('words seconds as a clock', () => {
    expect([clock(5), clock(65.4), clock(3725)]).toEqual(['0:05', '1:05', '1:02:05'])
  })

  it('has a name for every figure in both languages', () => {
    for (const { field } of FIGURES) {
      expect(en.figure, field).toHaveProperty(field)
      expect(zh.figure, field).toHaveProperty(field)
    }
  })
})
