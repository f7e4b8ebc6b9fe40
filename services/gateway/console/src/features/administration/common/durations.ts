/** Seconds as people say them: a number and a unit. */

export const UNITS = { second: 1, minute: 60, hour: 3600, day: 86_400 } as const
export type Unit = keyof typeof UNITS

export interface Amount {
  value: number
  unit: Unit
}

/** The largest of the allowed units that divides the seconds without a rest. */
export function split(seconds: number, allowed: readonly Unit[] = ['minute', 'hour', 'day']): Amount {
  const units = [...allowed].sort((one, other) => UNITS[other] - UNITS[one])
  const smallest = units.at(-1) ?? 'second'
  if (seconds <= 0) return { value: 0, unit: smallest }
  const exact = units.find((unit) => seconds % UNITS[unit] === 0)
  if (exact) return { value: seconds / UNITS[exact], unit: exact }
  return { value: Math.round((seconds / UNITS[smallest]) * 100) / 100, unit: smallest }
}

export function join({ value, unit }: Amount): number {
  return Number.isFinite(value) && value > 0 ? Math.round(value * UNITS[unit]) : 0
}
