/** What ECharts draws for one figure of a report: lines over time, bars otherwise. */
import type { EChartsCoreOption } from 'echarts/core'
import { clock, valueOf, worded, type Figure, type Row } from './figures'
import { slotKey, slotsOf, type Grouping, type Period } from './period'

export interface Colors {
  accent: string
  text: string
  quiet: string
  border: string
  surface: string
}

export interface Drawn {
  rows: readonly Row[]
  figure: Figure
  grouping: Grouping
  period: Period
  zone: string
  locale: string
  nameOf: (row: Row) => string
  colors: Colors
}

/** The bars of a chart that can still be told apart. */
const MAX_BARS = 30

interface Point {
  label: string
  value: number | null
}

export function pointsOf(drawn: Pick<Drawn, 'rows' | 'figure' | 'grouping' | 'period' | 'zone' | 'nameOf'>): Point[] {
  const { rows, figure, grouping } = drawn
  if (grouping !== 'day' && grouping !== 'hour') {
    const points = rows.map((row) => ({ label: drawn.nameOf(row), value: valueOf(row, figure) }))
    return points.sort((one, other) => (other.value ?? -1) - (one.value ?? -1)).slice(0, MAX_BARS)
  }
  const byKey = new Map(rows.map((row) => [slotKey(row.key, grouping), row]))
  return slotsOf(drawn.period, grouping, drawn.zone).map(({ key, label }) => {
    const row = byKey.get(key)
    if (row) return { label, value: valueOf(row, figure) }
    return { label, value: figure.basis ? null : 0 }
  })
}

export function chartOption(drawn: Drawn): EChartsCoreOption {
  const { figure, grouping, colors, locale } = drawn
  const points = pointsOf(drawn)
  const overTime = grouping === 'day' || grouping === 'hour'
  const axis = (value: number) => (figure.kind === 'seconds' ? clock(value) : worded(value, figure.kind, locale))
  const categories = {
    type: 'category',
    data: points.map((point) => point.label),
    axisLine: { lineStyle: { color: colors.border } },
    axisTick: { show: false },
    axisLabel: { color: colors.quiet, hideOverlap: true, width: 120, overflow: 'truncate' },
    inverse: !overTime,
  }
  const values = {
    type: 'value',
    axisLabel: { color: colors.quiet, formatter: axis },
    splitLine: { lineStyle: { color: colors.border } },
    splitNumber: 4,
  }
  return {
    animation: false,
    grid: { left: 8, right: 16, top: 16, bottom: 8, containLabel: true },
    tooltip: {
      trigger: 'axis',
      confine: true,
      backgroundColor: colors.surface,
      borderColor: colors.border,
      textStyle: { color: colors.text },
      valueFormatter: (value: unknown) => worded(typeof value === 'number' ? value : null, figure.kind, locale),
    },
    xAxis: overTime ? categories : values,
    yAxis: overTime ? values : categories,
    series: [
      overTime
        ? { type: 'line', data: points.map((point) => point.value), color: colors.accent, lineStyle: { width: 2 }, symbolSize: 6, showSymbol: points.length < 40, areaStyle: { opacity: 0.08 } }
        : { type: 'bar', data: points.map((point) => point.value), color: colors.accent, barMaxWidth: 24, itemStyle: { borderRadius: [0, 3, 3, 0] } },
    ],
  }
}
