import type { components } from './schema'

export type Violation = components['schemas']['Problem']['violations'][number]

/** What the gateway answers when it refuses: RFC 9457 with a stable code and every wrong field. */
export class ApiProblem extends Error {
  readonly code: string
  readonly status: number
  readonly detail: string
  readonly violations: Violation[]
  readonly metadata: Record<string, string>
  /** Seconds after which a repetition may succeed; undefined when the server does not say. */
  readonly retryAfter: number | undefined

  constructor(body: Partial<components['schemas']['Problem']>, status: number, retryAfter?: number) {
    super(body.detail || body.title || body.code || `HTTP ${status}`)
    this.name = 'ApiProblem'
    this.code = body.code ?? (status === 0 ? 'NETWORK' : `HTTP_${status}`)
    this.status = body.status ?? status
    this.detail = body.detail ?? ''
    this.violations = body.violations ?? []
    this.metadata = body.metadata ?? {}
    this.retryAfter = retryAfter
  }

  /** The server could not be reached, or could not answer now: the same request may succeed later. */
  get passing(): boolean {
    return this.status === 0 || this.status === 429 || this.status >= 500
  }

  static async from(response: Response): Promise<ApiProblem> {
    const retryAfter = Number(response.headers.get('retry-after') ?? NaN)
    const body = await response.json().catch(() => ({}))
    const isProblem = typeof body === 'object' && body !== null
    return new ApiProblem(isProblem ? body : {}, response.status, Number.isFinite(retryAfter) ? retryAfter : undefined)
  }

  static network(): ApiProblem {
    return new ApiProblem({}, 0)
  }
}
