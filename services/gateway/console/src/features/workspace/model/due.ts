/** How long until a promise breaks, and what a span of time looks like on a crowded row. */
export type Urgency = 'calm' | 'soon' | 'late'

const SOON_MS = 60_000

export interface Due {
  urgency: Urgency
  /** Such as "4:05", "2h 10m" or "-1:30". */
  text: string
}

export function dueOf(at: string | null, now: number): Due | null {
  if (!at) return null
  const left = Date.parse(at) - now
  if (Number.isNaN(left)) return null
  return { urgency: left < 0 ? 'late' : left < SOON_MS ? 'soon' : 'calm', text: (left < 0 ? '-' : '') + span(Math.abs(left)) }
}

export function span(ms: number): string {
  const seconds = Math.floor(ms / 1000)
  if (seconds < 3600) return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`
  const hours = Math.floor(seconds / 3600)
  return hours < 24 ? `${hours}h ${Math.floor((seconds % 3600) / 60)}m` : `${Math.floor(hours / 24)}d ${hours % 24}h`
}
