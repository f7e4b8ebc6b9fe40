import { describe, expect, it } from 'vitest'
import { snoozes } from './snoozes'

describe('snoozes', () => {
  it('come in the morning of tomorrow and of the next Monday', () => {
    for (const day of [16, 17, 18, 19, 20, 21, 22]) {
      const now = new Date(2026, 10, day, 15, 30)
      const found = new Map(snoozes(now))
      expect(found.get('tomorrow')).toEqual(new Date(2026, 10, day + 1, 9))
      expect(found.get('monday')).toEqual(new Date(2026, 10, 23, 9))
    }
  })
})
