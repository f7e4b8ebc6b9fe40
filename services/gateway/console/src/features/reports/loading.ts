/** Reads a report: its rows, and the one row over all of them (an average of averages would be wrong). */
import { api, take, type Schema } from '@/api/client'
import { bounds, type Grouping, type Period } from './period'

export interface Question {
  period: Period
  zone: string
  grouping: Grouping
  queueId: string
  agentId: string
  inboxId: string
}

export interface Answer {
  rows: Schema<'ReportRow'>[]
  total: Schema<'ReportRow'> | null
  completeUntil: string | null
  question: Question
}

export async function readReport(question: Question, signal: AbortSignal): Promise<Answer> {
  const common = {
    ...bounds(question.period, question.zone),
    time_zone: question.zone,
    ...(question.queueId ? { queue_id: question.queueId } : {}),
    ...(question.agentId ? { agent_id: question.agentId } : {}),
    ...(question.inboxId ? { inbox_id: question.inboxId } : {}),
  }
  const read = (group_by?: Grouping) =>
    take(api.GET('/api/v1/reports/summary', { params: { query: { ...common, ...(group_by ? { group_by } : {}) } }, signal }))
  const [grouped, all] = await Promise.all([read(question.grouping), read()])
  return { rows: grouped.rows, total: all.rows[0] ?? null, completeUntil: grouped.complete_until, question }
}
