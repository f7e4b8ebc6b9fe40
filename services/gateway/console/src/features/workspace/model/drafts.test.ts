import { beforeEach, describe, expect, it } from 'vitest'
import { Drafts, EMPTY_DRAFT } from './drafts'

describe('drafts', () => {
  beforeEach(() => localStorage.clear())

  it('survive and belong to one person', () => {
    new Drafts('ann').write('c-1', { ...EMPTY_DRAFT, text: 'half a sen', note: true })
    expect(new Drafts('ann').read('c-1')).toMatchObject({ text: 'half a sen', note: true })
    expect(new Drafts('ben').read('c-1').text).toBe('')
  })

  it('go when nothing is left of them', () => {
    const drafts = new Drafts('ann')
    drafts.write('c-1', { ...EMPTY_DRAFT, text: 'x' })
    drafts.write('c-1', { ...EMPTY_DRAFT, text: '  ' })
    expect(drafts.has('c-1')).toBe(false)
  })

  it('are dropped after a month', () => {
    new Drafts('ann', localStorage, () => 0).write('c-1', { ...EMPTY_DRAFT, text: 'old' })
    new Drafts('ann').prune()
    expect(new Drafts('ann').has('c-1')).toBe(false)
  })

  it('do not fall over what is not theirs', () => {
    localStorage.setItem('yunsong.draft.ann.c-1', '{broken')
    expect(new Drafts('ann').read('c-1')).toEqual(EMPTY_DRAFT)
  })
})
