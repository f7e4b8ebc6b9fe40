import { describe, expect, it } from 'vitest'
import { bodyOf, draftOf, kindOf, type Rule } from './rule'

describe('a rule', () => {
  it('comes back from its form as it went in', () => {
    const phrase = { name: 'no', speaker: 'agent', live_alert: true, phrase: { phrases: ['a', 'b'], patterns: ['x+'], within_first: 3 } }
    const slow = { name: 's', speaker: 'any', live_alert: false, response_time: { first_response_s: 30, next_response_s: 0 } }
    for (const rule of [phrase, slow]) expect(bodyOf(draftOf(rule as unknown as Rule))).toEqual(rule)
  })

  it('raises no alert for what may still come', () => {
    expect(bodyOf({ ...draftOf(), kind: 'required_phrase', liveAlert: true }).live_alert).toBe(false)
  })

  it('refuses a plugin configuration that is no JSON', () => {
    expect(() => bodyOf({ ...draftOf(), kind: 'plugin', pluginConfig: '{' })).toThrow(SyntaxError)
    expect(kindOf({ csat: { at_most: 2 } })).toBe('csat')
  })
})
