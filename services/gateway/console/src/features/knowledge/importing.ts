/** Entries out of a file: JSON as the API has them, or CSV with a header row. */
import type { Schema } from '@/api/client'

type Entry = Schema<'Entry'>
export type NewEntry = Pick<Entry, 'question' | 'answer' | 'external_key' | 'similar_questions' | 'category' | 'locale'> & { enabled?: boolean }

/** The API takes so many at once. */
export const BATCH = 1000
/** Larger files are refused before they are read. */
export const MAX_BYTES = 20 * 1024 * 1024

type Column = 'question' | 'answer' | 'similar_questions' | 'category' | 'locale' | 'enabled' | 'external_key'

/** What is wrong with a file; `code` is a key of the locale files. */
export class ImportFault extends Error {
  constructor(
    readonly code: 'notJson' | 'notList' | 'noHeader' | 'empty' | 'openQuote',
    readonly values: Record<string, string | number> = {},
  ) {
    super(code)
  }
}

/** Reads a file's text. Throws ImportFault. */
export function readEntries(text: string, fileName: string): NewEntry[] {
  const clean = text.replace(/^\uFEFF/, '')
  const entries = fileName.toLowerCase().endsWith('.json') ? fromJson(clean) : fromCsv(clean)
  if (!entries.length) throw new ImportFault('empty')
  return entries.map((entry) => ({ ...entry, external_key: entry.external_key || entry.question.slice(0, 200) }))
}

function fromJson(text: string): NewEntry[] {
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch {
    throw new ImportFault('notJson')
  }
  const list = Array.isArray(body) ? body : (body as { entries?: unknown } | null)?.entries
  if (!Array.isArray(list)) throw new ImportFault('notList')
  return list.map((one: Record<string, unknown>) => entryOf((column) => one?.[column]))
}

function fromCsv(text: string): NewEntry[] {
  const [header, ...rows] = csvRows(text)
  const places = new Map(header?.map((name, place) => [name.trim().toLowerCase(), place]))
  if (!places.has('question') || !places.has('answer')) throw new ImportFault('noHeader')
  return rows
    .filter((row) => row.some((cell) => cell.trim()))
    .map((row) => entryOf((column) => row[places.get(column) ?? -1]))
}

function entryOf(cell: (column: Column) => unknown): NewEntry {
  const text = (column: Column) => String(cell(column) ?? '').trim()
  const similar = cell('similar_questions')
  const enabled = text('enabled').toLowerCase()
  return {
    question: text('question'),
    answer: text('answer'),
    external_key: text('external_key'),
    category: text('category'),
    locale: text('locale'),
    similar_questions: (Array.isArray(similar) ? similar.map(String) : text('similar_questions').split(/[|\n]/))
      .map((one) => one.trim())
      .filter(Boolean),
    ...(enabled ? { enabled: !['false', '0', 'no', '否'].includes(enabled) } : {}),
  }
}

/** Rows of RFC 4180 text; the separator is the header's: comma, semicolon or tab. Throws ImportFault. */
export function csvRows(text: string): string[][] {
  const header = text.split(/\r?\n/, 1)[0] ?? ''
  const separator = [',', ';', '\t'].reduce((best, one) => (header.split(one).length > header.split(best).length ? one : best))
  const rows: string[][] = [[]]
  let cell = ''
  let quoted = false
  const end = () => {
    rows.at(-1)?.push(cell)
    cell = ''
  }
  for (let place = 0; place < text.length; place++) {
    const char = text[place] as string
    if (quoted) {
      if (char !== '"') cell += char
      else if (text[place + 1] === '"') cell += text[++place]
      else quoted = false
    } else if (char === '"' && !cell) quoted = true
    else if (char === separator) end()
    else if (char === '\n') {
      end()
      rows.push([])
    } else if (char !== '\r') cell += char
  }
  if (quoted) throw new ImportFault('openQuote', { row: rows.length })
  end()
  return rows.filter((row) => row.length > 1 || row[0])
}

export function batches<T>(all: readonly T[], size = BATCH): T[][] {
  return Array.from({ length: Math.ceil(all.length / size) }, (_, index) => all.slice(index * size, (index + 1) * size))
}
