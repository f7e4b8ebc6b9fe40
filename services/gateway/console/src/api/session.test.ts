import { beforeEach, describe, expect, it, vi } from 'vitest'
import { accessToken, forgetTokens, keepTokens, onSessionChange, takeTokenFromAddress, tokens } from './session'

const fetched = vi.fn<typeof fetch>()
vi.stubGlobal('fetch', fetched)

const pair = (number: number, expiresIn = 900): Parameters<typeof keepTokens>[0] => ({
  access_token: `access-${number}`,
  refresh_token: `refresh-${number}`,
  expires_in: expiresIn,
  user: { id: 'u1' } as never,
})

const json = (body: unknown, status = 200): Response => new Response(JSON.stringify(body), { status })

beforeEach(() => fetched.mockReset())

describe('the session', () => {
  it('gives the token that it has while it lives', async () => {
    keepTokens(pair(1))
    expect(await accessToken()).toBe('access-1')
    expect(fetched).not.toHaveBeenCalled()
  })

  it('renews once for all who ask at the same time', async () => {
    keepTokens(pair(1, 0))
    fetched.mockImplementation(async () => json(pair(2)))
    expect(await Promise.all([accessToken(), accessToken(), accessToken()])).toEqual(['access-2', 'access-2', 'access-2'])
    expect(fetched).toHaveBeenCalledOnce()
    expect(JSON.parse(String(fetched.mock.calls[0]?.[1]?.body))).toEqual({ refresh_token: 'refresh-1' })
    expect(tokens()?.refresh).toBe('refresh-2')
  })

  it('renews a token that the server refused, unless another tab has', async () => {
    keepTokens(pair(1))
    fetched.mockImplementation(async () => json(pair(2)))
    expect(await accessToken('access-1')).toBe('access-2')
    expect(await accessToken('access-1')).toBe('access-2')
    expect(fetched).toHaveBeenCalledOnce()
  })

  it('keeps the session when the server cannot be reached', async () => {
    keepTokens(pair(1, 0))
    fetched.mockRejectedValueOnce(new TypeError('offline'))
    await expect(accessToken()).rejects.toMatchObject({ code: 'NETWORK' })
    fetched.mockImplementationOnce(async () => json({ code: 'UNAVAILABLE' }, 503))
    await expect(accessToken()).rejects.toMatchObject({ status: 503 })
    expect(tokens()?.refresh).toBe('refresh-1')
  })

  it('ends when the refresh token is refused, and says so', async () => {
    keepTokens(pair(1, 0))
    const heard = vi.fn()
    const stop = onSessionChange(heard)
    fetched.mockImplementation(async () => json({ code: 'REFRESH_TOKEN_REUSED' }, 401))
    expect(await accessToken()).toBeNull()
    expect(heard).toHaveBeenLastCalledWith(null)
    stop()
  })

  it('hears of other tabs', () => {
    keepTokens(pair(1))
    const heard = vi.fn()
    const stop = onSessionChange(heard)
    localStorage.removeItem('yunsong.session')
    window.dispatchEvent(new StorageEvent('storage', { key: 'yunsong.session' }))
    expect(heard).toHaveBeenCalledWith(null)
    stop()
    forgetTokens()
  })

  it('exchanges the token of a sign-in elsewhere and cleans the address', async () => {
    location.hash = '#refresh_token=from-provider'
    fetched.mockImplementation(async () => json(pair(1)))
    expect(await takeTokenFromAddress()).toBe(true)
    expect(location.hash).toBe('')
    expect(tokens()?.access).toBe('access-1')
    expect(await takeTokenFromAddress()).toBe(false)
  })
})
