import { describe, expect, it } from 'vitest'
import { pointsOf } from './chart'
import { figureOf, type Row } from './figures'

const period = { first: '2026-03-01', last: '2026-03-03' }
const base = { period, zone: 'Asia/Shanghai', nameOf: (row: Row) => row.name }

describe('the points of a chart', () => {
  it('has a zero for a day without conversations, and nothing for an average of none', () => {
    const rows = [{ key: '2026-03-02', conversations: 4, assigned: 1, wait_avg_s: 9 } as Row]
    const values = (field: string) => pointsOf({ ...base, rows, grouping: 'day', figure: figureOf(field) }).map((point) => point.value)
    expect(values('conversations')).toEqual([0, 4, 0])
    expect(values('wait_avg_s')).toEqual([null, 9, null])
  })

  it('puts the largest group first', () => {
    const rows = [
      { name: 'a', conversations: 1 },
      { name: 'b', conversations: 3 },
    ] as Row[]
    const points = pointsOf({ ...base, rows, grouping: 'queue', figure: figureOf('conversations') })
    expect(points.map((point) => point.label)).toEqual(['b', 'a'])
  })
})
