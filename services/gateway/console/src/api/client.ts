/** Typed calls of the REST API. `await take(api.GET('/api/v1/me'))` gives the body or throws an ApiProblem. */
import createClient from 'openapi-fetch'
import { ApiProblem } from './problem'
import type { components, paths } from './schema'
import { accessToken } from './session'

export { ApiProblem } from './problem'

/** A message of the contract by its name, such as `Schema<'Conversation'>`. */
export type Schema<Name extends keyof components['schemas']> = components['schemas'][Name]

const MAX_WAIT_S = 10
const READ_ATTEMPTS = 3

/** Signs requests, renews a token that ended, waits out Retry-After on reads. Throws ApiProblem unless it succeeded. */
async function send(request: Request): Promise<Response> {
  let refused: string | undefined
  for (let attempt = 1; ; attempt++) {
    const token = await accessToken(refused)
    const copy = request.clone()
    if (token) copy.headers.set('authorization', `Bearer ${token}`)
    const response = await fetch(copy).catch((error: unknown) => {
      if (request.signal.aborted) throw error
      throw ApiProblem.network()
    })
    if (response.ok) return response
    const problem = await ApiProblem.from(response)
    if (problem.status === 401 && token && refused === undefined) {
      refused = token
      continue
    }
    const wait = problem.retryAfter ?? Infinity
    if (request.method !== 'GET' || wait > MAX_WAIT_S || attempt >= READ_ATTEMPTS) throw problem
    await new Promise((done) => setTimeout(done, wait * 1000))
  }
}

export const api = createClient<paths>({ baseUrl: location.origin, fetch: send })

/** The body of an answer; calls that fail have thrown an ApiProblem before. */
export async function take<T>(call: Promise<{ data?: T; error?: unknown; response: Response }>): Promise<NonNullable<T>> {
  const { data } = await call
  return data as NonNullable<T>
}

export interface Upload {
  /** Of 0 to 1. */
  onProgress?: (share: number) => void
  signal?: AbortSignal
}

/** Stores a file. `fetch` cannot tell how far an upload is, hence the older interface. */
export async function uploadFile(file: File, { onProgress, signal }: Upload = {}): Promise<Schema<'File'>> {
  const token = await accessToken()
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest()
    request.open('POST', `/api/v1/files?name=${encodeURIComponent(file.name.slice(0, 255))}`)
    request.setRequestHeader('content-type', 'application/octet-stream')
    if (token) request.setRequestHeader('authorization', `Bearer ${token}`)
    request.upload.onprogress = (event) => {
      if (event.lengthComputable) onProgress?.(event.loaded / event.total)
    }
    request.onerror = () => reject(ApiProblem.network())
    request.onabort = () => reject(new DOMException('The upload was cancelled.', 'AbortError'))
    request.onload = () => {
      const body = parsed(request.responseText)
      if (request.status < 300) resolve(body as Schema<'File'>)
      else reject(new ApiProblem(body as Partial<Schema<'Problem'>>, request.status))
    }
    signal?.addEventListener('abort', () => request.abort())
    request.send(file)
  })
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return {}
  }
}
