/** A queue's week as its editor shows it: seven days with intervals, Monday first. */
import type { Schema } from '@/api/client'

export interface Interval {
  from: string
  to: string
}
export type Week = Interval[][]
type Wire = Pick<Schema<'OpeningHours'>, 'weekday' | 'from' | 'to'>

export type IntervalFault = 'format' | 'empty' | 'overlap'
export interface Fault {
  day: number
  index: number
  fault: IntervalFault
}

const TIME = /^([01]\d|2[0-3]):[0-5]\d$/
const DAY = 24 * 60
const WEEK = 7 * DAY
export const OFFICE: Interval = { from: '09:00', to: '18:00' }

export function emptyWeek(): Week {
  return Array.from({ length: 7 }, () => [])
}

export function weekOf(hours: readonly Wire[]): Week {
  const week = emptyWeek()
  for (const { weekday, from, to } of hours) week[weekday - 1]?.push({ from, to })
  for (const day of week) day.sort((one, other) => one.from.localeCompare(other.from))
  return week
}

export function hoursOf(week: Week): Wire[] {
  return week.flatMap((day, index) => day.map(({ from, to }) => ({ weekday: index + 1, from, to })))
}

export function officeWeek(): Week {
  return Array.from({ length: 7 }, (_, day) => (day < 5 ? [{ ...OFFICE }] : []))
}

/** The week with the hours of one day on others too. */
export function copyDay(week: Week, from: number, to: readonly number[]): Week {
  const source = week[from] ?? []
  return week.map((day, index) => (to.includes(index) ? source.map((each) => ({ ...each })) : day))
}

/** An interval that begins where the last one of the day ends. */
export function nextInterval(day: readonly Interval[]): Interval {
  const last = day.at(-1)
  if (!last) return { ...OFFICE }
  const start = minutes(last.to)
  if (start === undefined || start >= 22 * 60 || crossesMidnight(last)) return { from: '', to: '' }
  return { from: clock(start + 60), to: clock(Math.min(start + 240, DAY)) }
}

export function crossesMidnight({ from, to }: Interval): boolean {
  const start = minutes(from)
  const end = minutes(to)
  return start !== undefined && end !== undefined && end < start
}

/** Every interval that is wrong, or that another one runs into, also over midnight and over the end of the week. */
export function faultsOf(week: Week): Fault[] {
  const faults: Fault[] = []
  const spans: { day: number; index: number; start: number; end: number }[] = []
  week.forEach((intervals, day) =>
    intervals.forEach(({ from, to }, index) => {
      const start = TIME.test(from) ? minutes(from) : undefined
      const end = minutes(to)
      if (start === undefined || end === undefined) faults.push({ day, index, fault: 'format' })
      else if (start === end) faults.push({ day, index, fault: 'empty' })
      else spans.push({ day, index, start: day * DAY + start, end: day * DAY + (end < start ? end + DAY : end) })
    }),
  )
  spans.forEach((one, place) => {
    const meets = (other: (typeof spans)[number], at: number): boolean =>
      [-WEEK, 0, WEEK].some((shift) => {
        const start = other.start + shift
        if (one.start === start) return place > at
        return one.start > start && one.start < other.end + shift
      })
    if (spans.some((other, at) => at !== place && meets(other, at))) faults.push({ day: one.day, index: one.index, fault: 'overlap' })
  })
  return faults
}

/** Minutes of opening in the week. */
export function openMinutes(week: Week): number {
  return week.flat().reduce((sum, { from, to }) => {
    const start = minutes(from)
    const end = minutes(to)
    if (start === undefined || end === undefined) return sum
    return sum + (end < start ? end + DAY - start : end - start)
  }, 0)
}

function minutes(text: string): number | undefined {
  if (text === '24:00') return DAY
  if (!TIME.test(text)) return undefined
  const [hour, minute] = text.split(':')
  return Number(hour) * 60 + Number(minute)
}

function clock(total: number): string {
  return `${String(Math.floor(total / 60)).padStart(2, '0')}:${String(total % 60).padStart(2, '0')}`
}
