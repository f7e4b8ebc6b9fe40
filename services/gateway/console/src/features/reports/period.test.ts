import { describe, expect, it } from 'vitest'
import { bounds, days, preset, slotKey, slotsOf } from './period'

const ZONE = 'Asia/Shanghai'

describe('periods', () => {
  it('takes the day of the time zone, not of the browser', () => {
    expect(preset('today', ZONE, '2026-03-01T17:00:00Z')).toEqual({ first: '2026-03-02', last: '2026-03-02' })
    expect(preset('lastMonth', ZONE, '2026-03-01T17:00:00Z')).toEqual({ first: '2026-02-01', last: '2026-02-28' })
    expect(preset('last7', ZONE, '2026-03-01T17:00:00Z')).toEqual({ first: '2026-02-24', last: '2026-03-02' })
  })

  it('ends after its last day', () => {
    expect(bounds({ first: '2026-03-01', last: '2026-03-02' }, ZONE)).toEqual({
      from: '2026-02-28T16:00:00.000Z',
      to: '2026-03-02T16:00:00.000Z',
    })
    expect(days({ first: '2026-03-01', last: '2026-03-02' })).toBe(2)
  })

  it('has a slot for every day and hour, also when the clocks change', () => {
    expect(slotsOf({ first: '2026-02-27', last: '2026-03-01' }, 'day', ZONE).map((slot) => slot.key)).toEqual([
      '2026-02-27',
      '2026-02-28',
      '2026-03-01',
    ])
    expect(slotsOf({ first: '2026-03-29', last: '2026-03-29' }, 'hour', 'Europe/Berlin')).toHaveLength(23)
    const [first] = slotsOf({ first: '2026-03-01', last: '2026-03-01' }, 'hour', ZONE)
    expect(slotKey('2026-02-28T16:00:00Z', 'hour')).toBe(first?.key)
  })
})
