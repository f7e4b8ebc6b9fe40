/** A text cut into words, links and mentions, so that a page can show it without ever taking it for markup. */
export type Token = { kind: 'text'; text: string } | { kind: 'link'; text: string; href: string } | { kind: 'mention'; text: string } | { kind: 'hit'; text: string }

// A link ends before punctuation that belongs to the sentence, Chinese punctuation included.
const LINK = /\bhttps?:\/\/[^\s<>"'，。；：！？、（）【】《》“”‘’]+|\bwww\.[^\s<>"'，。；：！？、（）【】《》“”‘’]+\.[^\s<>"'，。；：！？、（）【】《》“”‘’]+|[\w.+-]+@[\w-]+(?:\.[\w-]+)+/giu
const SENTENCE_END = /[.,;:!?)\]}]+$/

export function tokens(text: string, names: readonly string[] = []): Token[] {
  const found: Token[] = []
  let from = 0
  for (const match of text.matchAll(LINK)) {
    const word = trimmed(match[0])
    if (match.index > from) found.push(...mentions(text.slice(from, match.index), names))
    found.push({ kind: 'link', text: word, href: hrefOf(word) })
    from = match.index + word.length
  }
  if (from < text.length) found.push(...mentions(text.slice(from), names))
  return found
}

/** Cuts out the words that a search was for. */
export function hits(text: string, words: readonly string[]): Token[] {
  const wanted = words.filter(Boolean).map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
  if (!wanted.length) return [{ kind: 'text', text }]
  return text
    .split(new RegExp(`(${wanted.join('|')})`, 'giu'))
    .map((part, at): Token => ({ kind: at % 2 ? 'hit' : 'text', text: part }))
    .filter((one) => one.text)
}

function mentions(text: string, names: readonly string[]): Token[] {
  const wanted = names.filter(Boolean).map((name) => `@${name}`)
  if (!wanted.length) return [{ kind: 'text', text }]
  return hits(text, wanted).map((one) => (one.kind === 'hit' ? { kind: 'mention', text: one.text } : one))
}

function trimmed(word: string): string {
  const end = SENTENCE_END.exec(word)
  if (!end) return word
  const cut = word.slice(0, end.index)
  // "(see https://example.com/a_(b))": a bracket that the link opened is its own.
  return end[0].startsWith(')') && cut.includes('(') ? `${cut})` : cut
}

function hrefOf(word: string): string {
  if (/^https?:/i.test(word)) return word
  return word.includes('@') && !word.startsWith('www.') ? `mailto:${word}` : `https://${word}`
}

const EMOJI = /^(?:\p{Extended_Pictographic}(?:\p{Emoji_Modifier}|\u200d\p{Extended_Pictographic}|\ufe0f)*|\p{Regional_Indicator}{2}|\s){1,12}$/u

/** One to a few emoji and nothing else are shown large. */
export function isEmojiOnly(text: string): boolean {
  const trim = text.trim()
  return trim.length > 0 && trim.length <= 24 && EMOJI.test(trim) && !/^[\d#*]+$/.test(trim)
}
