import { describe, expect, it } from 'vitest'
import { atQuery, expand, matching, slashQuery, unfilled } from './quickReplies'
import type { QuickReply } from './types'

const KNOWN = {
  contact: { name: '李伟', attributes: { order: 4711, nested: {} } },
  agent: { name: 'Chen' },
  inbox: { name: '官网' },
  business: { name: 'Yunsong' },
}

function reply(shortcut: string, title = shortcut, text = 'text'): QuickReply {
  return { id: shortcut, shortcut, title, text, shared: true, owner_id: '', updated_at: null }
}

describe('quick replies', () => {
  it('fill in what is known and leave the rest to be seen', () => {
    const text = expand('{{contact.name}}您好，我是{{ agent.name }}，订单 {{contact.attributes.order}}，{{contact.attributes.colour}}', KNOWN)
    expect(text).toBe('李伟您好，我是Chen，订单 4711，{{contact.attributes.colour}}')
    expect(unfilled(text)).toEqual(['{{contact.attributes.colour}}'])
  })

  it('do not fill in a whole object, or a name that a text only looks like', () => {
    expect(expand('{{contact.attributes.nested}} {{contact}}', KNOWN)).toBe('{{contact.attributes.nested}} {{contact}}')
  })

  it('are asked for by a slash that begins a word', () => {
    expect(slashQuery('/wel', 4)).toEqual({ from: 0, query: 'wel' })
    expect(slashQuery('hello /问', 8)).toEqual({ from: 6, query: '问' })
    expect(slashQuery('a/b', 3)).toBeNull()
    expect(slashQuery('http://x', 7)).toBeNull()
  })

  it('come by short name first', () => {
    const found = matching([reply('refund', 'Money back'), reply('hello', 'Refund greeting'), reply('bye', 'Bye', 'no refund')], 'refund')
    expect(found.map((one) => one.shortcut)).toEqual(['refund', 'hello', 'bye'])
    expect(matching([reply('a')], 'zzz')).toEqual([])
  })
})

describe('mentions', () => {
  it('begin with an at sign after a blank', () => {
    expect(atQuery('@陈', 2)).toEqual({ from: 0, query: '陈' })
    expect(atQuery('请看，@ch', 6)).toEqual({ from: 3, query: 'ch' })
    expect(atQuery('a@b', 3)).toBeNull()
  })
})
