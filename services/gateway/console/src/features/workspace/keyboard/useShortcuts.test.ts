import { mount } from '@vue/test-utils'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { useShortcuts } from './useShortcuts'

const act = vi.fn()
const Desk = { template: '<div><textarea /></div>', setup: () => useShortcuts({ j: act }) }

function press(key: string, more: KeyboardEventInit = {}, at: EventTarget = document.body): void {
  at.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, ...more }))
}

describe('shortcuts', () => {
  afterEach(() => act.mockClear())

  it('act, but not while one writes or composes or holds another key', () => {
    const desk = mount(Desk, { attachTo: document.body })
    press('j')
    expect(act).toHaveBeenCalledTimes(1)
    press('j', {}, desk.get('textarea').element)
    press('j', { ctrlKey: true })
    press('j', { isComposing: true })
    press('x')
    expect(act).toHaveBeenCalledTimes(1)
    desk.unmount()
  })
})
