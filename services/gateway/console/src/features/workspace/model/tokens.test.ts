import { describe, expect, it } from 'vitest'
import { hits, isEmojiOnly, tokens } from './tokens'

describe('tokens', () => {
  it('finds links and leaves the sentence its punctuation', () => {
    expect(tokens('看 https://example.com/a?b=1，谢谢')).toEqual([
      { kind: 'text', text: '看 ' },
      { kind: 'link', text: 'https://example.com/a?b=1', href: 'https://example.com/a?b=1' },
      { kind: 'text', text: '，谢谢' },
    ])
    expect(tokens('See www.example.com.')[1]).toEqual({ kind: 'link', text: 'www.example.com', href: 'https://www.example.com' })
    expect(tokens('(https://example.com/a_(b))')[1]).toMatchObject({ text: 'https://example.com/a_(b)' })
    expect(tokens('write to a.b@example.com!')[1]).toMatchObject({ href: 'mailto:a.b@example.com' })
  })

  it('makes no link of another scheme', () => {
    expect(tokens('javascript:alert(1)')).toEqual([{ kind: 'text', text: 'javascript:alert(1)' }])
  })

  it('marks mentions', () => {
    expect(tokens('ask @Chen now', ['Chen'])[1]).toEqual({ kind: 'mention', text: '@Chen' })
  })

  it('marks what was searched for, whatever characters it has', () => {
    expect(hits('1+1 is (2)', ['(2)', '1+1']).map((one) => one.kind)).toEqual(['hit', 'text', 'hit'])
  })

  it('knows emoji alone', () => {
    expect(isEmojiOnly('👍')).toBe(true)
    expect(isEmojiOnly('👨‍👩‍👧 🎉')).toBe(true)
    expect(isEmojiOnly('ok 👍')).toBe(false)
    expect(isEmojiOnly('12')).toBe(false)
  })
})
