import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { api, take, ApiProblem } from './client'
import { keepTokens } from './session'

const fetched = vi.fn<(request: Request) => Promise<Response>>()
vi.stubGlobal('fetch', (input: Request | string, init?: RequestInit) =>
  fetched(typeof input === 'string' ? new Request(new URL(input, location.origin), init) : input),
)

const json = (body: unknown, status = 200, headers = {}): Response => new Response(JSON.stringify(body), { status, headers })
const problem = (code: string, status: number, headers = {}): Response => json({ code, status, detail: `${code}!`, violations: [] }, status, headers)

beforeEach(() => {
  fetched.mockReset()
  keepTokens({ access_token: 'a1', refresh_token: 'r1', expires_in: 900, user: null })
})

afterEach(() => vi.useRealTimers())

describe('calls', () => {
  it('are signed and give the body', async () => {
    fetched.mockResolvedValue(json({ user: { id: 'u' } }))
    expect(await take(api.GET('/api/v1/me'))).toEqual({ user: { id: 'u' } })
    expect(fetched.mock.calls[0]?.[0].headers.get('authorization')).toBe('Bearer a1')
  })

  it('throw what the server refuses, with every wrong field', async () => {
    const violations = [{ field: 'email', reason: 'FORMAT', description: 'is not an address' }]
    fetched.mockResolvedValue(json({ code: 'INVALID_REQUEST', status: 400, detail: 'wrong', violations }, 400))
    const failure = await take(api.PATCH('/api/v1/me', { body: { email: 'x' } })).catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(ApiProblem)
    expect(failure).toMatchObject({ code: 'INVALID_REQUEST', violations, passing: false })
  })

  it('are made once more, body and all, with a renewed token', async () => {
    fetched.mockResolvedValueOnce(problem('TOKEN_EXPIRED', 401))
    fetched.mockResolvedValueOnce(json({ access_token: 'a2', refresh_token: 'r2', expires_in: 900, user: null }))
    fetched.mockResolvedValueOnce(json({ id: 'u' }))
    await take(api.PATCH('/api/v1/me', { body: { display_name: 'Li' } }))
    const last = fetched.mock.calls[2]?.[0]
    expect(last?.headers.get('authorization')).toBe('Bearer a2')
    expect(await last?.json()).toEqual({ display_name: 'Li' })
  })

  it('do not try a third time', async () => {
    fetched.mockImplementation(async (request) =>
      request.url.endsWith(':refresh') ? json({ access_token: 'a2', refresh_token: 'r2', expires_in: 900, user: null }) : problem('TOKEN_EXPIRED', 401),
    )
    await expect(take(api.GET('/api/v1/me'))).rejects.toMatchObject({ code: 'TOKEN_EXPIRED' })
    expect(fetched).toHaveBeenCalledTimes(3)
  })

  it('that read wait as long as the server asks', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout'] })
    fetched.mockResolvedValueOnce(problem('RATE_LIMITED', 429, { 'retry-after': '2' }))
    fetched.mockResolvedValueOnce(json({ user: null }))
    const asked = take(api.GET('/api/v1/me'))
    await vi.waitFor(() => expect(vi.getTimerCount()).toBe(1))
    await vi.advanceTimersByTimeAsync(2000)
    expect(await asked).toEqual({ user: null })
  })

  it('that change something never repeat by themselves', async () => {
    fetched.mockResolvedValue(problem('RATE_LIMITED', 429, { 'retry-after': '2' }))
    await expect(take(api.PATCH('/api/v1/me', { body: {} }))).rejects.toMatchObject({ retryAfter: 2, passing: true })
    expect(fetched).toHaveBeenCalledOnce()
  })

  it('say when there is no network', async () => {
    fetched.mockRejectedValue(new TypeError('offline'))
    await expect(take(api.GET('/api/v1/me'))).rejects.toMatchObject({ code: 'NETWORK', status: 0, passing: true })
  })
})
