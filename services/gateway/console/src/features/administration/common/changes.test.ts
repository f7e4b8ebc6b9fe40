import { describe, expect, it } from 'vitest'
import { changedFields, conflictingFields, equal } from './changes'

describe('equal', () => {
  it('takes what the contract leaves out for its empty value', () => {
    expect(equal({ name: 'a', texts: {} }, { name: 'a', texts: null, priority: 0 })).toBe(true)
    expect(equal({ texts: { en: { title: '' } } }, { texts: {} })).toBe(true)
  })

  it('sees a difference at any depth', () => {
    expect(equal([{ from: '09:00' }], [{ from: '09:30' }])).toBe(false)
    expect(equal(['a', 'b'], ['b', 'a'])).toBe(false)
  })
})

describe('changed and conflicting fields', () => {
  const original = { name: 'Sales', priority: 50, color: '#fff' }
  const names = ['name', 'priority', 'color'] as const

  it('names what the person changed', () => {
    expect(changedFields(original, { ...original, priority: 10 }, names)).toEqual(['priority'])
  })

  it('reports only what both changed, and to different values', () => {
    const draft = { name: 'Pre-sales', priority: 10, color: '#000' }
    const current = { name: 'Shop', priority: 50, color: '#000' }
    expect(conflictingFields(original, draft, current, names)).toEqual(['name'])
  })
})
