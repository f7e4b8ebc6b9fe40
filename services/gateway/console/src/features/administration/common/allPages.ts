/** Every item of a list that is small by nature, such as queues. */
import type { Page } from '@/shared/useCursor'

const MOST_PAGES = 25

export async function allPages<T>(read: (token: string) => Promise<Page<T>>): Promise<T[]> {
  const found: T[] = []
  let token = ''
  for (let page = 0; page < MOST_PAGES; page++) {
    const { items, next } = await read(token)
    found.push(...items)
    if (!next) break
    token = next
  }
  return found
}
