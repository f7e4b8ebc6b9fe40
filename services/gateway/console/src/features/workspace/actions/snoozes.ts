/** Until when a conversation can be put aside with one click. */
export type SnoozeName = 'hour' | 'threeHours' | 'tomorrow' | 'monday'

export function snoozes(now: Date): [SnoozeName, Date][] {
  const hour = new Date(now.getTime() + 3600_000)
  const threeHours = new Date(now.getTime() + 3 * 3600_000)
  return [['hour', hour], ['threeHours', threeHours], ['tomorrow', morning(now, 1)], ['monday', morning(now, 8 - (now.getDay() || 7))]]
}

function morning(now: Date, days: number): Date {
  return new Date(now.getFullYear(), now.getMonth(), now.getDate() + days, 9)
}
