import { describe, expect, it } from 'vitest'
import { copyDay, emptyWeek, faultsOf, hoursOf, nextInterval, officeWeek, openMinutes, weekOf } from './hours'

describe('the week of a queue', () => {
  it('goes to the contract and back', () => {
    const hours = [
      { weekday: 1, from: '09:00', to: '12:00' },
      { weekday: 1, from: '13:00', to: '18:00' },
      { weekday: 7, from: '20:00', to: '02:00' },
    ]
    expect(hoursOf(weekOf([hours[2]!, hours[1]!, hours[0]!]))).toEqual(hours)
  })

  it('copies a day without sharing it', () => {
    const week = copyDay(officeWeek(), 0, [5, 6])
    week[5]![0]!.from = '10:00'
    expect(week[0]![0]!.from).toBe('09:00')
    expect(week[6]).toEqual([{ from: '09:00', to: '18:00' }])
  })

  it('counts what is open, over midnight too', () => {
    const week = emptyWeek()
    week[4] = [{ from: '22:00', to: '02:00' }, { from: '09:00', to: '24:00' }]
    expect(openMinutes(week)).toBe(4 * 60 + 15 * 60)
  })

  it('offers an interval after the last one', () => {
    expect(nextInterval([])).toEqual({ from: '09:00', to: '18:00' })
    expect(nextInterval([{ from: '09:00', to: '12:00' }])).toEqual({ from: '13:00', to: '16:00' })
    expect(nextInterval([{ from: '09:00', to: '20:30' }])).toEqual({ from: '21:30', to: '24:00' })
    expect(nextInterval([{ from: '09:00', to: '24:00' }])).toEqual({ from: '', to: '' })
  })
})

describe('faults of a week', () => {
  it('finds wrong, empty and overlapping intervals', () => {
    const week = emptyWeek()
    week[0] = [{ from: '9', to: '10:00' }]
    week[1] = [{ from: '09:00', to: '09:00' }]
    week[2] = [{ from: '09:00', to: '12:00' }, { from: '11:00', to: '13:00' }]
    expect(faultsOf(week)).toEqual([
      { day: 0, index: 0, fault: 'format' },
      { day: 1, index: 0, fault: 'empty' },
      { day: 2, index: 1, fault: 'overlap' },
    ])
  })

  it('sees an interval that runs into the next day, and from Sunday into Monday', () => {
    const week = emptyWeek()
    week[0] = [{ from: '01:00', to: '05:00' }]
    week[6] = [{ from: '22:00', to: '02:00' }]
    expect(faultsOf(week)).toEqual([{ day: 0, index: 0, fault: 'overlap' }])
  })

  it('reports two that are the same once', () => {
    const week = emptyWeek()
    week[3] = [{ from: '09:00', to: '12:00' }, { from: '09:00', to: '12:00' }]
    expect(faultsOf(week)).toEqual([{ day: 3, index: 1, fault: 'overlap' }])
  })

  it('lets intervals touch', () => {
    const week = emptyWeek()
    week[3] = [{ from: '00:00', to: '12:00' }, { from: '12:00', to: '24:00' }]
    week[4] = [{ from: '00:00', to: '08:00' }]
    expect(faultsOf(week)).toEqual([])
  })
})
