/** Keys of the desk. They rest while one writes, while a dialog is open, and while a character is being composed. */
import { useEventListener } from '@vueuse/core'

export type Shortcuts = Record<string, () => unknown>

export function isWriting(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName))
}

export function useShortcuts(shortcuts: Shortcuts): void {
  useEventListener(window, 'keydown', (event: KeyboardEvent) => {
    if (event.defaultPrevented || event.isComposing || event.ctrlKey || event.metaKey || event.altKey || isWriting(event.target)) return
    if (document.querySelector('.el-overlay:not([style*="display: none"]), dialog[open]')) return
    const act = shortcuts[event.key]
    if (!act) return
    event.preventDefault()
    act()
  })
}
