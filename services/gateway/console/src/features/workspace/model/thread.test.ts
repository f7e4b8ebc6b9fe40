import { describe, expect, it } from 'vitest'
import { message, posted } from './testing'
import { Thread } from './thread'
import type { ThreadEvent } from './types'

function page(revs: number[], has_more = false, head_rev = Math.max(0, ...revs)) {
  return { messages: revs.map((rev) => message({ rev })), has_more, head_rev }
}

function revs(thread: Thread): number[] {
  return thread.messages.map((one) => one.rev)
}

describe('a thread', () => {
  it('appends what is posted and drops what it has', () => {
    const thread = new Thread()
    thread.reset(page([1, 2]))
    expect(thread.applyAll([posted({ rev: 2 }), posted({ rev: 3 })])).toBe(true)
    expect(revs(thread)).toEqual([1, 2, 3])
    expect(thread.applyAll([posted({ rev: 3 })])).toBe(false)
    expect(revs(thread)).toEqual([1, 2, 3])
  })

  it('keeps the old array when nothing that is shown changed', () => {
    const thread = new Thread()
    thread.reset(page([1]))
    const before = thread.messages
    thread.applyAll([{ rev: 2, event: 'messages_read', data: { meta: null, reader_kind: 'contact', read_rev: 1, public_read_rev: 1 } }])
    expect(thread.messages).toBe(before)
    expect(thread.headRev).toBe(2)
  })

  it('edits, recalls and marks deliveries', () => {
    const thread = new Thread()
    thread.reset(page([1]))
    const id = thread.messages[0]!.id
    const changes: ThreadEvent[] = [
      { rev: 2, event: 'message_edited', data: { meta: null, message: message({ rev: 1, text: 'better', edited_at: '2026-01-01T00:00:00Z' }) } },
      { rev: 3, event: 'delivery_changed', data: { meta: null, message_id: id, delivery_state: 'failed', error: 'refused' } },
    ]
    thread.applyAll(changes)
    expect(thread.find(id)?.content?.text?.text).toBe('better')
    expect(thread.find(id)).toMatchObject({ delivery_state: 'failed', delivery_error: 'refused' })
    thread.applyAll([{ rev: 4, event: 'message_recalled', data: { meta: null, message_id: id, visibility: 'public' } }])
    expect(thread.find(id)?.content).toBeNull()
  })

  it('holds events while a page is on its way, whichever is newer', () => {
    const thread = new Thread()
    thread.hold()
    thread.applyAll([posted({ rev: 3 }), posted({ rev: 4 })])
    thread.reset(page([1, 2, 3]))
    expect(revs(thread)).toEqual([1, 2, 3, 4])
  })

  it('puts older pages before without doubling', () => {
    const thread = new Thread()
    thread.reset(page([4, 5], true))
    thread.prepend(page([2, 3, 4], false))
    expect(revs(thread)).toEqual([2, 3, 4, 5])
    expect(thread.hasOlder).toBe(false)
  })

  it('counts what comes while it shows the middle, and loses nothing on the way back', () => {
    const thread = new Thread()
    thread.reset({ ...page([4, 5], true), head_rev: 20 }, false)
    thread.applyAll([posted({ rev: 21 })])
    expect(revs(thread)).toEqual([4, 5])
    expect(thread.missedCount).toBe(1)
    thread.hold()
    thread.applyAll([posted({ rev: 22 }), posted({ rev: 23 })])
    thread.append({ messages: [message({ rev: 6 }), message({ rev: 21 }), message({ rev: 22 })], has_more: false, head_rev: 22 })
    expect(revs(thread)).toEqual([4, 5, 6, 21, 22, 23])
    expect(thread.missedCount).toBe(0)
  })
})
