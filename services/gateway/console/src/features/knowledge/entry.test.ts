import { describe, expect, it } from 'vitest'
import { bodyOf, draftOf, stateOf, type Entry } from './entry'

describe('an entry', () => {
  it('comes back from its form as it went in', () => {
    const entry = { question: 'Q', similar_questions: ['a', 'b'], answer: 'A', category: '', locale: 'en', enabled: false, external_key: 'k' }
    expect(bodyOf(draftOf(entry))).toEqual(entry)
    expect(bodyOf({ ...draftOf(entry), similar: ' a \n\n b ' }).similar_questions).toEqual(['a', 'b'])
  })

  it('is in use in its time only', () => {
    const now = new Date('2026-05-01T00:00:00Z')
    const at = (part: Partial<Entry>) => stateOf({ enabled: true, ...part } as Entry, now)
    expect([at({}), at({ enabled: false }), at({ valid_from: '2026-06-01T00:00:00Z' }), at({ valid_until: '2026-05-01T00:00:00Z' })]).toEqual([
      'on',
      'off',
      'later',
      'over',
    ])
  })
})
