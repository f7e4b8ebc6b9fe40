import { describe, expect, it } from 'vitest'
import { rowsOf } from './rows'
import { message } from './testing'
import type { Pending } from './types'

function waiting(clientId: string): Pending {
  return { clientId, message: { conversation_id: 'c-1', content: { text: { text: 'hi' } } }, createdAt: 0, state: 'waiting' }
}

const AGENT = { kind: 'agent' as const, id: 'a-1', name: 'Chen' }

describe('rows', () => {
  it('groups one author and separates days', () => {
    const rows = rowsOf(
      [message({ rev: 1 }), message({ rev: 2 }), message({ rev: 3, author: AGENT }), message({ rev: 4, created_at: '2026-01-03T08:00:00Z' })],
      [],
      'a-1',
      null,
    )
    expect(rows.map((row) => row.kind)).toEqual(['day', 'message', 'message', 'message', 'day', 'message'])
    expect(rows.map((row) => (row.kind === 'message' ? [row.first, row.last] : null)).filter(Boolean)).toEqual([
      [true, false], [false, true], [true, true], [true, true],
    ])
  })

  it('draws one line above the first that is unread', () => {
    const rows = rowsOf([message({ rev: 1 }), message({ rev: 2 }), message({ rev: 3 })], [], 'a-1', 1)
    expect(rows.map((row) => row.kind)).toEqual(['day', 'message', 'unread', 'message', 'message'])
  })

  it('does not show a message twice when its answer is still on the way', () => {
    const rows = rowsOf([message({ rev: 1, author: AGENT, client_id: 'x' })], [waiting('x'), waiting('y')], 'a-1', null)
    expect(rows.map((row) => row.key)).toEqual([rows[0]!.key, 'x', 'y'])
  })

  it('sets system lines apart', () => {
    const line = message({ rev: 2, author: { kind: 'system', id: '', name: '' }, content: { system: { code: 'conversation.assigned', params: {} } } })
    expect(rowsOf([message({ rev: 1 }), line, message({ rev: 3 })], [], 'a-1', null).map((row) => row.kind)).toEqual(['day', 'message', 'system', 'message'])
  })
})
