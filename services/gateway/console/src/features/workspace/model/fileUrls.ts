/** Signed addresses of files, asked for once while they work. */
import { fileUrl } from '../calls'

const WORKS_MS = 50 * 60_000
const known = new Map<string, { url: Promise<string>; until: number }>()

export function urlOf(fileId: string): Promise<string> {
  const kept = known.get(fileId)
  if (kept && kept.until > Date.now()) return kept.url
  const url = fileUrl(fileId)
  known.set(fileId, { url, until: Date.now() + WORKS_MS })
  url.catch(() => known.delete(fileId))
  return url
}

export function sizeText(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`
  if (bytes < 1024 * 1024) return `${Math.round(bytes / 1024)} KB`
  return `${(bytes / 1024 / 1024).toFixed(1)} MB`
}
