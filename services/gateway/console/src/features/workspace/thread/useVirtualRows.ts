/**
 * A scrolled list that draws only what is in sight. Rows have any height; what is in sight stays where it is when rows come
 * before it or turn out taller than estimated, and the end stays in sight while the reader is there.
 */
import { useEventListener, useResizeObserver } from '@vueuse/core'
import { computed, nextTick, onScopeDispose, ref, shallowRef, watch, type Ref } from 'vue'
import { Offsets } from '../model/offsets'

interface Keyed {
  key: string
}

const OVERSCAN_PX = 600
const NEAR_END_PX = 48
const PIN_MS = 1_200

export function useVirtualRows<Row extends Keyed>(rows: Ref<readonly Row[]>, scroller: Ref<HTMLElement | null>, content: Ref<HTMLElement | null>, estimate: (row: Row) => number) {
  const offsets = new Offsets((index) => estimate(rows.value[index] as Row))
  const from = ref(0)
  const to = ref(0)
  const total = ref(0)
  const shift = ref(0)
  const atEnd = ref(true)
  const shown = shallowRef<readonly Row[]>([])
  let anchor: { key: string; delta: number } | null = null
  let pinned: { key: string; delta: number; until: number } | null = null
  let stick = true
  let width = 0
  const indexOf = computed(() => new Map(rows.value.map((row, index) => [row.key, index])))
  const observed = new Set<Element>()
  const sizes = new ResizeObserver((entries) => {
    const heights = entries.map((entry) => [(entry.target as HTMLElement).dataset.key ?? '', entry.borderBoxSize[0]?.blockSize ?? 0] as const)
    if (offsets.measure(heights)) place()
  })

  function capture(): void {
    const element = scroller.value
    if (!element || !offsets.count) return
    stick = element.scrollTop + element.clientHeight >= element.scrollHeight - NEAR_END_PX
    atEnd.value = stick
    const index = offsets.at(element.scrollTop)
    const row = rows.value[index]
    anchor = row ? { key: row.key, delta: element.scrollTop - offsets.top(index) } : null
  }

  const isPinned = (): boolean => pinned !== null && pinned.until > Date.now()
  const isAtEnd = (): boolean => stick && !isPinned()

  function wantedTop(element: HTMLElement): number {
    if (isAtEnd()) return Math.max(0, offsets.total - element.clientHeight)
    const hold = isPinned() ? pinned : anchor
    const index = hold ? indexOf.value.get(hold.key) : undefined
    return index === undefined || !hold ? element.scrollTop : Math.max(0, offsets.top(index) + hold.delta)
  }

  function draw(top: number, height: number): void {
    const first = offsets.at(Math.max(0, top - OVERSCAN_PX))
    const last = offsets.at(top + height + OVERSCAN_PX)
    from.value = first
    to.value = Math.min(rows.value.length, last + 1)
    shift.value = offsets.top(first)
    total.value = offsets.total
    shown.value = rows.value.slice(from.value, to.value)
  }

  /** Puts everything in its place after rows or heights changed. */
  function place(): void {
    const element = scroller.value
    if (!element) return
    const top = wantedTop(element)
    draw(top, element.clientHeight)
    void nextTick(() => {
      const wanted = isAtEnd() ? element.scrollHeight - element.clientHeight : top
      if (Math.abs(element.scrollTop - wanted) > 0.5) element.scrollTop = wanted
      watchSizes()
    })
  }

  function watchSizes(): void {
    for (const one of observed) {
      if (one.isConnected) continue
      sizes.unobserve(one)
      observed.delete(one)
    }
    for (const child of content.value?.children ?? []) {
      if (observed.has(child)) continue
      observed.add(child)
      sizes.observe(child, { box: 'border-box' })
    }
  }

  function onScroll(): void {
    const element = scroller.value
    if (!element) return
    capture()
    const visible = offsets.at(element.scrollTop)
    const beyond = offsets.at(element.scrollTop + element.clientHeight)
    // Drawn rows reach beyond the screen; only when they run out are others drawn.
    if (visible - from.value < 3 || to.value - beyond < 4) {
      draw(element.scrollTop, element.clientHeight)
      void nextTick(watchSizes)
    }
  }

  function scrollToKey(key: string, share = 0.3): boolean {
    const element = scroller.value
    if (!element || !indexOf.value.has(key)) return false
    pinned = { key, delta: -element.clientHeight * share, until: Date.now() + PIN_MS }
    stick = false
    place()
    return true
  }

  function scrollToEnd(): void {
    pinned = null
    stick = true
    atEnd.value = true
    place()
  }

  const release = (): void => void (pinned = null)
  useEventListener(scroller, 'scroll', onScroll, { passive: true })
  useEventListener(scroller, ['wheel', 'touchstart', 'keydown', 'pointerdown'], release, { passive: true })
  useResizeObserver(scroller, ([entry]) => {
    const now = entry?.contentRect.width ?? 0
    if (width && now !== width) {
      offsets.forget()
      const heights = [...(content.value?.children ?? [])].map((child) => [(child as HTMLElement).dataset.key ?? '', child.getBoundingClientRect().height] as const)
      offsets.measure(heights)
    }
    width = now
    place()
  })
  watch(
    rows,
    (now) => {
      offsets.place(now.map((row) => row.key))
      place()
    },
    { immediate: true },
  )
  watch(scroller, place)
  onScopeDispose(() => sizes.disconnect())

  /** Begins anew, as for another conversation. */
  function reset(): void {
    anchor = pinned = null
    stick = atEnd.value = true
    offsets.forget()
  }

  return { shown, total, shift, atEnd, from, to, scrollToKey, scrollToEnd, reset }
}
