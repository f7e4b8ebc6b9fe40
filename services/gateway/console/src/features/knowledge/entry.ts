/** An entry as the form holds it, and as the API takes it. */
import type { Schema } from '@/api/client'

export type Entry = Schema<'Entry'>

export interface Draft {
  question: string
  similar: string
  answer: string
  category: string
  locale: string
  enabled: boolean
  valid_from: string | null
  valid_until: string | null
  external_key: string
}

export function draftOf(entry?: Partial<Entry>): Draft {
  return {
    question: entry?.question ?? '',
    similar: (entry?.similar_questions ?? []).join('\n'),
    answer: entry?.answer ?? '',
    category: entry?.category ?? '',
    locale: entry?.locale ?? '',
    enabled: entry?.enabled ?? true,
    valid_from: entry?.valid_from ?? null,
    valid_until: entry?.valid_until ?? null,
    external_key: entry?.external_key ?? '',
  }
}

export const FIELDS = ['question', 'similar_questions', 'answer', 'category', 'locale', 'enabled', 'valid_from', 'valid_until', 'external_key'] as const

export function bodyOf(draft: Draft) {
  const { similar, valid_from, valid_until, ...rest } = draft
  return {
    ...rest,
    similar_questions: lines(similar),
    ...(valid_from ? { valid_from } : {}),
    ...(valid_until ? { valid_until } : {}),
  }
}

export function lines(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter(Boolean)
}

export type EntryState = 'on' | 'off' | 'later' | 'over'

export function stateOf(entry: Entry, now: Date): EntryState {
  if (entry.enabled === false) return 'off'
  if (entry.valid_until && Date.parse(entry.valid_until) <= now.getTime()) return 'over'
  if (entry.valid_from && Date.parse(entry.valid_from) > now.getTime()) return 'later'
  return 'on'
}
