/** The periods that a report can be about, in a time zone. */
import dayjs from 'dayjs'
import timezone from 'dayjs/plugin/timezone'
import utc from 'dayjs/plugin/utc'

dayjs.extend(utc)
dayjs.extend(timezone)

export const PRESETS = ['today', 'yesterday', 'last7', 'last30', 'thisMonth', 'lastMonth'] as const
export type Preset = (typeof PRESETS)[number]
export type Grouping = 'day' | 'hour' | 'queue' | 'agent' | 'inbox' | 'category'
export const GROUPINGS: readonly Grouping[] = ['day', 'hour', 'queue', 'agent', 'inbox', 'category']

/** The longest period that the API takes, in days. */
export const MAX_DAYS = 400
/** Above this a chart by the hour can no longer be read. */
export const MAX_DAYS_BY_HOUR = 31

export interface Period {
  /** The first day, YYYY-MM-DD, in the time zone. */
  first: string
  /** The last day, inclusive. */
  last: string
}

export function preset(name: Preset, zone: string, now: dayjs.ConfigType = undefined): Period {
  const today = dayjs(now).tz(zone).startOf('day')
  const of = (first: dayjs.Dayjs, last: dayjs.Dayjs): Period => ({ first: first.format('YYYY-MM-DD'), last: last.format('YYYY-MM-DD') })
  const month = today.startOf('month')
  switch (name) {
    case 'today':
      return of(today, today)
    case 'yesterday':
      return of(today.subtract(1, 'day'), today.subtract(1, 'day'))
    case 'last7':
      return of(today.subtract(6, 'day'), today)
    case 'last30':
      return of(today.subtract(29, 'day'), today)
    case 'thisMonth':
      return of(month, today)
    case 'lastMonth':
      return of(month.subtract(1, 'month'), month.subtract(1, 'day'))
  }
}

/** The period as the API takes it: from inclusive, to exclusive. */
export function bounds(period: Period, zone: string): { from: string; to: string } {
  const start = dayjs.tz(period.first, zone)
  const end = dayjs.tz(dayjs(period.last).add(1, 'day').format('YYYY-MM-DD'), zone)
  return { from: start.toISOString(), to: end.toISOString() }
}

export function days(period: Period): number {
  return dayjs(period.last).diff(dayjs(period.first), 'day') + 1
}

/** The places on the axis of time, in order: a day without conversations is a zero, not a gap. */
export interface Slot {
  /** What identifies it: the day, or the hour's start as milliseconds. */
  key: string
  label: string
}

export function slotsOf(period: Period, grouping: 'day' | 'hour', zone: string): Slot[] {
  const found: Slot[] = []
  for (let day = dayjs(period.first); !day.isAfter(dayjs(period.last)); day = day.add(1, 'day')) {
    const name = day.format('YYYY-MM-DD')
    if (grouping === 'day') found.push({ key: name, label: day.format('MM-DD') })
    else found.push(...hoursOf(name, zone))
  }
  return found
}

/** The hours of a day: 23 or 25 when the clocks change. */
function hoursOf(day: string, zone: string): Slot[] {
  const end = dayjs.tz(dayjs(day).add(1, 'day').format('YYYY-MM-DD'), zone).valueOf()
  const found: Slot[] = []
  for (let at = dayjs.tz(day, zone).valueOf(); at < end; at += 3_600_000) {
    found.push({ key: String(at), label: dayjs(at).tz(zone).format('MM-DD HH:mm') })
  }
  return found
}

/** The slot that a row of a report belongs to. */
export function slotKey(key: string, grouping: 'day' | 'hour'): string {
  return grouping === 'day' ? key : String(dayjs(key).valueOf())
}
