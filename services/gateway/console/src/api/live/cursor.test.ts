import { describe, expect, it } from 'vitest'
import { Cursor } from './cursor'

function cursorAt(rev: number): { cursor: Cursor<{ rev: number }>; seen: number[] } {
  const seen: number[] = []
  return { cursor: new Cursor(rev, (event) => seen.push(event.rev)), seen }
}

describe('a cursor', () => {
  it('drops what it has and applies the next', () => {
    const { cursor, seen } = cursorAt(3)
    for (const rev of [2, 3, 4, 4, 5]) expect(cursor.take({ rev })).toBe(false)
    expect(seen).toEqual([4, 5])
  })

  it('holds what comes early until the gap is filled', () => {
    const { cursor, seen } = cursorAt(0)
    expect(cursor.take({ rev: 3 })).toBe(true)
    expect(cursor.take({ rev: 1 })).toBe(true)
    expect(cursor.take({ rev: 2 })).toBe(false)
    expect(seen).toEqual([1, 2, 3])
  })

  it('goes on from a snapshot with what it held', () => {
    const { cursor, seen } = cursorAt(0)
    cursor.take({ rev: 4 })
    cursor.take({ rev: 9 })
    cursor.jump(8)
    expect(seen).toEqual([9])
    expect(cursor.rev).toBe(9)
  })
})
