/** The figures of a report's row: how each is named, worded and compared. */
import type { Schema } from '@/api/client'

export type Row = Schema<'ReportRow'>
export type Kind = 'count' | 'seconds' | 'share' | 'rating' | 'score'

export interface Figure {
  /** The field of the row, and the key of its name in the locale files. */
  field: NumericField
  kind: Kind
  /** The field that says how many conversations an average stands on; without any there is no figure. */
  basis?: NumericField
}

type NumericField = {
  [Field in keyof Required<Row>]: Required<Row>[Field] extends number ? Field : never
}[keyof Required<Row>]

export const FIGURES: readonly Figure[] = [
  { field: 'conversations', kind: 'count' },
  { field: 'bot_resolved', kind: 'count' },
  { field: 'handoffs', kind: 'count' },
  { field: 'assigned', kind: 'count' },
  { field: 'abandoned', kind: 'count' },
  { field: 'resolved', kind: 'count' },
  { field: 'transfers', kind: 'count' },
  { field: 'abandonment_rate', kind: 'share', basis: 'handoffs' },
  { field: 'service_level', kind: 'share', basis: 'handoffs' },
  { field: 'wait_avg_s', kind: 'seconds', basis: 'assigned' },
  { field: 'wait_p90_s', kind: 'seconds', basis: 'assigned' },
  { field: 'first_response_avg_s', kind: 'seconds', basis: 'assigned' },
  { field: 'first_response_p90_s', kind: 'seconds', basis: 'assigned' },
  { field: 'handling_avg_s', kind: 'seconds', basis: 'assigned' },
  { field: 'csat_avg', kind: 'rating', basis: 'csat_count' },
  { field: 'csat_count', kind: 'count' },
  { field: 'inspection_avg', kind: 'score', basis: 'inspections' },
  { field: 'inspections', kind: 'count' },
  { field: 'contact_messages', kind: 'count' },
  { field: 'agent_messages', kind: 'count' },
  { field: 'bot_messages', kind: 'count' },
]

export function figureOf(field: string): Figure {
  const found = FIGURES.find((figure) => figure.field === field)
  if (!found) throw new Error(`there is no figure ${field}`)
  return found
}

/** The figure's value; null when nothing stands behind it. */
export function valueOf(row: Row, figure: Figure): number | null {
  if (figure.basis && !(row[figure.basis] ?? 0)) return null
  return row[figure.field] ?? 0
}

/** A figure as people read it: "—" for none, "1:05" for seconds, "12.5%" for a share. */
export function worded(value: number | null, kind: Kind, locale: string): string {
  if (value === null) return '—'
  const number = (digits: number, style?: 'percent') =>
    new Intl.NumberFormat(locale, { maximumFractionDigits: digits, style }).format(value)
  if (kind === 'seconds') return clock(value)
  if (kind === 'share') return number(1, 'percent')
  if (kind === 'rating') return number(2)
  if (kind === 'score') return number(1)
  return number(0)
}

/** Seconds as H:MM:SS or M:SS. */
export function clock(seconds: number): string {
  const whole = Math.round(seconds)
  const parts = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60), whole % 60]
  const shown = parts[0] ? parts : parts.slice(1)
  return shown.map((part, place) => (place ? String(part).padStart(2, '0') : String(part))).join(':')
}
