import { describe, expect, it } from 'vitest'
import { dueOf } from './due'

const NOW = Date.parse('2026-01-01T08:00:00Z')

describe('a due time', () => {
  it('counts down and says when it is late', () => {
    expect(dueOf('2026-01-01T08:04:05Z', NOW)).toEqual({ urgency: 'calm', text: '4:05' })
    expect(dueOf('2026-01-01T08:00:30Z', NOW)).toEqual({ urgency: 'soon', text: '0:30' })
    expect(dueOf('2026-01-01T07:58:30Z', NOW)).toEqual({ urgency: 'late', text: '-1:30' })
    expect(dueOf('2026-01-01T10:10:00Z', NOW)?.text).toBe('2h 10m')
    expect(dueOf('2026-01-03T09:00:00Z', NOW)?.text).toBe('2d 1h')
    expect(dueOf(null, NOW)).toBeNull()
  })
})
