/** Quick replies: found by what is typed after "/", their variables filled in. */
import type { QuickReply } from './types'

export interface Known {
  contact: { name: string; attributes?: Record<string, unknown> | null }
  agent: { name: string }
  inbox: { name: string }
  business: { name: string }
}

const VARIABLE = /\{\{\s*([^{}]+?)\s*\}\}/g

/** The text with its variables; one that is not known stays as it is, for the agent to see and mend. */
export function expand(text: string, known: Known): string {
  return text.replace(VARIABLE, (whole, path: string) => valueOf(path, known) ?? whole)
}

/** Variables that stayed. */
export function unfilled(text: string): string[] {
  return Array.from(text.matchAll(VARIABLE), (match) => match[0])
}

function valueOf(path: string, known: Known): string | undefined {
  if (path === 'contact.name') return known.contact.name || undefined
  if (path === 'agent.name') return known.agent.name || undefined
  if (path === 'inbox.name') return known.inbox.name || undefined
  if (path === 'business.name') return known.business.name || undefined
  const attribute = path.startsWith('contact.attributes.') ? known.contact.attributes?.[path.slice('contact.attributes.'.length)] : undefined
  return attribute === undefined || attribute === null || typeof attribute === 'object' ? undefined : String(attribute)
}

/** The word after "/" that the caret stands in, when it begins the line or follows a blank. */
export function slashQuery(text: string, caret: number): { from: number; query: string } | null {
  const match = /(?:^|\s)\/([\p{L}\p{N}_-]*)$/u.exec(text.slice(0, caret))
  return match ? { from: caret - (match[1] as string).length - 1, query: match[1] as string } : null
}

/** The name after "@" that the caret stands in. */
export function atQuery(text: string, caret: number): { from: number; query: string } | null {
  const match = /(?:^|[\s，。；：、（(])@([^\s@]{0,40})$/u.exec(text.slice(0, caret))
  return match ? { from: caret - (match[1] as string).length - 1, query: match[1] as string } : null
}

/** Short names that begin with the query first, then titles, then texts that hold it. */
export function matching(replies: readonly QuickReply[], query: string, limit = 8): QuickReply[] {
  const wanted = query.toLocaleLowerCase()
  const rank = (one: QuickReply): number => {
    if (one.shortcut.toLocaleLowerCase().startsWith(wanted)) return 0
    if (one.title.toLocaleLowerCase().includes(wanted)) return 1
    return one.text.toLocaleLowerCase().includes(wanted) ? 2 : 3
  }
  return replies
    .map((reply) => ({ reply, rank: rank(reply) }))
    .filter((one) => one.rank < 3)
    .sort((one, other) => one.rank - other.rank || one.reply.shortcut.localeCompare(other.reply.shortcut))
    .slice(0, limit)
    .map((one) => one.reply)
}
