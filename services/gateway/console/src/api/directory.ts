/** Names for ids: queues, inboxes and colleagues, read once and again when they are older than a minute and somebody asks. */
import { defineStore } from 'pinia'
import { computed, shallowRef } from 'vue'
import { api, take, type Schema } from './client'

const FRESH_MS = 60_000

interface Named {
  id: string
  name: string
}

/** All pages of a list. */
async function all<T>(read: (token: string) => Promise<{ items: T[]; next: string }>): Promise<T[]> {
  const found: T[] = []
  let token = ''
  do {
    const page = await read(token)
    found.push(...page.items)
    token = page.next
  } while (token)
  return found
}

function list<T extends Named>(read: () => Promise<T[]>) {
  const items = shallowRef<T[]>([])
  const byId = computed(() => new Map(items.value.map((item) => [item.id, item])))
  let readAt = -Infinity
  let running: Promise<void> | null = null

  /** Reads when what is there is old. A refusal leaves what is there: a name that is missing shows as its id. */
  function load(force = false): Promise<void> {
    if (running) return running
    if (!force && performance.now() - readAt < FRESH_MS) return Promise.resolve()
    running = read()
      .then((found) => {
        items.value = found
        readAt = performance.now()
      })
      .catch(() => undefined)
      .finally(() => {
        running = null
      })
    return running
  }

  const nameOf = (id: string | undefined): string => (id ? (byId.value.get(id)?.name ?? id.slice(-6)) : '')
  return { items, byId, load, nameOf }
}

export const useDirectory = defineStore('directory', () => {
  const queues = list<Schema<'Queue'>>(() =>
    all(async (page_token) => {
      const page = await take(api.GET('/api/v1/queues', { params: { query: { page_size: 200, page_token } } }))
      return { items: page.queues, next: page.next_page_token }
    }),
  )
  const inboxes = list<Schema<'Inbox'>>(() =>
    all(async (page_token) => {
      const page = await take(api.GET('/api/v1/inboxes', { params: { query: { page_size: 200, page_token } } }))
      return { items: page.inboxes, next: page.next_page_token }
    }),
  )
  const colleagues = list<Named>(async () => {
    const answer = await take(api.GET('/api/v1/colleagues'))
    return answer.colleagues.map(({ id, display_name }) => ({ id, name: display_name }))
  })

  return { queues, inboxes, colleagues }
})
