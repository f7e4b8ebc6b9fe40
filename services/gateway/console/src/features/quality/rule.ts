/** A rule as its form holds it, and as the API takes it. */
import type { Schema } from '@/api/client'

export type Rule = Schema<'Rule'>
export type RuleInput = Schema<'RuleInput'>
export const KINDS = ['phrase', 'required_phrase', 'response_time', 'csat', 'plugin'] as const
export type RuleKind = (typeof KINDS)[number]
export const SPEAKERS = ['agent', 'contact', 'bot', 'any'] as const
export type Speaker = (typeof SPEAKERS)[number]

export interface RuleDraft {
  name: string
  kind: RuleKind
  speaker: Speaker
  liveAlert: boolean
  phrases: string
  patterns: string
  withinFirst: number
  firstResponseS: number
  nextResponseS: number
  csatAtMost: number
  pluginName: string
  /** JSON. */
  pluginConfig: string
}

export function kindOf(rule: Partial<Rule>): RuleKind {
  return KINDS.find((kind) => rule[kind]) ?? 'phrase'
}

export function draftOf(rule: Partial<Rule> = {}): RuleDraft {
  const phrase = rule.phrase ?? rule.required_phrase
  return {
    name: rule.name ?? '',
    kind: kindOf(rule),
    speaker: SPEAKERS.find((one) => one === rule.speaker) ?? 'agent',
    liveAlert: rule.live_alert ?? false,
    phrases: (phrase?.phrases ?? []).join('\n'),
    patterns: (phrase?.patterns ?? []).join('\n'),
    withinFirst: phrase?.within_first ?? 0,
    firstResponseS: rule.response_time?.first_response_s ?? 60,
    nextResponseS: rule.response_time?.next_response_s ?? 120,
    csatAtMost: rule.csat?.at_most ?? 2,
    pluginName: rule.plugin?.name ?? '',
    pluginConfig: JSON.stringify(rule.plugin?.config ?? {}, null, 2),
  }
}

/** Which parts of the form a kind has. */
export function hasPhrases(kind: RuleKind): boolean {
  return kind === 'phrase' || kind === 'required_phrase'
}

export function mayAlert(kind: RuleKind): boolean {
  return kind !== 'required_phrase' && kind !== 'csat'
}

/** Throws SyntaxError when the plugin's configuration is no JSON. */
export function bodyOf(draft: RuleDraft): RuleInput {
  const phrase = { phrases: lines(draft.phrases), patterns: lines(draft.patterns), within_first: draft.withinFirst }
  const parts: Record<RuleKind, Partial<RuleInput>> = {
    phrase: { phrase },
    required_phrase: { required_phrase: phrase },
    response_time: { response_time: { first_response_s: draft.firstResponseS, next_response_s: draft.nextResponseS } },
    csat: { csat: { at_most: draft.csatAtMost } },
    plugin: { plugin: { name: draft.pluginName, config: draft.kind === 'plugin' ? (JSON.parse(draft.pluginConfig || '{}') as Record<string, never>) : {} } },
  }
  return { name: draft.name, speaker: draft.speaker, live_alert: draft.liveAlert && mayAlert(draft.kind), ...parts[draft.kind] }
}

function lines(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter(Boolean)
}
