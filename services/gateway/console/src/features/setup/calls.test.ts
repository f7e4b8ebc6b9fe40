import { describe, expect, it } from 'vitest'
import { firstOpen, type Found } from './calls'

const found = (name: string, queues: number, inboxes: number, users: number): Found =>
  ({ business: { name }, queues: Array(queues).fill({}), inboxes: Array(inboxes).fill({}), users: Array(users).fill({}) }) as unknown as Found

describe('the first setup', () => {
  it.each([
    ['an empty copy begins at the beginning', found('', 0, 0, 1), 0],
    ['a named one at its queue', found('Tea', 0, 0, 1), 1],
    ['one that was left goes on where it stood', found('Tea', 1, 1, 1), 3],
    ['what was made elsewhere counts', found('Tea', 1, 0, 5), 2],
    ['nothing is left to do', found('Tea', 1, 1, 2), 4],
  ])('%s', (_, state, step) => expect(firstOpen(state)).toBe(step))
})
