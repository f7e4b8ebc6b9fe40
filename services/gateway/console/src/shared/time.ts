import dayjs from 'dayjs'
import { useNow } from '@vueuse/core'
import type { Ref } from 'vue'
import { t } from '@/app/i18n'

/** The time now, once a second, shared by everything on the screen. */
let shared: Ref<Date> | undefined
export function useSecond(): Ref<Date> {
  shared ??= useNow({ interval: 1000 })
  return shared
}

/** 75 s -> "1 min 15 s". */
export function durationText(seconds: number): string {
  const s = Math.max(0, Math.round(seconds))
  if (s < 60) return t('shared.seconds', { n: s })
  const m = Math.floor(s / 60)
  if (m < 60) return s % 60 && m < 10 ? t('shared.minutesSeconds', { m, s: s % 60 }) : t('shared.minutes', { n: m })
  const h = Math.floor(m / 60)
  if (h < 24) return t('shared.hoursMinutes', { h, m: m % 60 })
  return t('shared.daysHours', { d: Math.floor(h / 24), h: h % 24 })
}

/** The date and time to the minute, such as "2026-11-22 09:30". */
export function dateTimeText(time: string | Date | null | undefined): string {
  return time ? dayjs(time).format('YYYY-MM-DD HH:mm') : ''
}

/** Short and near: "now", "5 min ago", "09:30" of today, "11-21 09:30" of this year, otherwise with the year. */
export function nearText(time: string | Date, now: Date): string {
  const at = dayjs(time)
  const seconds = dayjs(now).diff(at, 'second')
  if (Math.abs(seconds) < 60) return t('shared.now')
  if (seconds > 0 && seconds < 3600) return t('shared.minutesAgo', { n: Math.floor(seconds / 60) })
  if (at.isSame(now, 'day')) return at.format('HH:mm')
  return at.format(at.isSame(now, 'year') ? 'MM-DD HH:mm' : 'YYYY-MM-DD')
}
