/** Files on their way to the server, before they are sent as messages; each conversation keeps its own while one looks at others. */
import { computed, shallowReactive } from 'vue'
import { uploadFile } from '@/api/client'
import { problemText } from '@/shared/problems'
import type { ContentInput } from '../model/types'

export interface Attachment {
  id: number
  file: File
  /** Of 0 to 1. */
  progress: number
  error: string
  content: ContentInput | null
  /** An address within the page, of a picture. */
  preview: string
  cancel: AbortController
}

const KINDS = [['image/', 'image'], ['audio/', 'audio'], ['video/', 'video']] as const
const lists = shallowReactive(new Map<string, Attachment[]>())
let nextId = 0

export function useUploads(conversationId: () => string) {
  const all = computed<readonly Attachment[]>(() => lists.get(conversationId()) ?? [])
  const isBusy = computed(() => all.value.some((one) => !one.content && !one.error))
  const isReady = computed(() => all.value.length > 0 && all.value.every((one) => one.content))

  function add(files: Iterable<File>): void {
    const added = Array.from(files, (file) => {
      const preview = file.type.startsWith('image/') ? URL.createObjectURL(file) : ''
      return shallowReactive<Attachment>({ id: ++nextId, file, progress: 0, error: '', content: null, preview, cancel: new AbortController() })
    })
    lists.set(conversationId(), [...all.value, ...added])
    for (const one of added) void start(one)
  }

  async function start(one: Attachment): Promise<void> {
    one.error = ''
    one.progress = 0
    one.cancel = new AbortController()
    try {
      const [stored, size] = await Promise.all([
        uploadFile(one.file, { onProgress: (share) => (one.progress = share), signal: one.cancel.signal }),
        pixels(one.preview),
      ])
      const kind = KINDS.find(([prefix]) => stored.media_type.startsWith(prefix))?.[1] ?? 'file'
      one.content = { [kind]: { file_id: stored.id, name: stored.name, media_type: stored.media_type, size: stored.size, ...size } }
    } catch (error) {
      if (!one.cancel.signal.aborted) one.error = problemText(error)
    }
  }

  function remove(one: Attachment): void {
    one.cancel.abort()
    if (one.preview) URL.revokeObjectURL(one.preview)
    const id = conversationId()
    const left = all.value.filter((other) => other !== one)
    if (left.length) lists.set(id, left)
    else lists.delete(id)
  }

  /** The messages to send; the list is empty afterwards. */
  function taken(): ContentInput[] {
    const contents = all.value.flatMap((one) => (one.content ? [one.content] : []))
    for (const one of all.value) remove(one)
    return contents
  }

  return { all, isBusy, isReady, add, retry: start, remove, taken }
}

async function pixels(url: string): Promise<{ width?: number; height?: number }> {
  if (!url) return {}
  const image = new Image()
  image.src = url
  try {
    await image.decode()
    return { width: image.naturalWidth, height: image.naturalHeight }
  } catch {
    return {}
  }
}
