/** The tokens of the signed-in session, one set for all tabs, renewed by one tab at a time: a refresh token works once. */
import type { components } from './schema'
import { exclusively } from './exclusively'
import { ApiProblem } from './problem'

type TokenPair = components['schemas']['TokenPair']

export interface Tokens {
  access: string
  refresh: string
  /** Milliseconds since the epoch. */
  until: number
  userId: string
}

const KEY = 'yunsong.session'
const LOCK = 'yunsong.refresh'
const EARLY_MS = 20_000

type Listener = (tokens: Tokens | null) => void
const listeners = new Set<Listener>()

/** Calls back when this or another tab signed in, signed out or lost its session. */
export function onSessionChange(listener: Listener): () => void {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

window.addEventListener('storage', (event) => {
  if (event.key === KEY || event.key === null) tell()
})

function tell(): void {
  const now = tokens()
  for (const listener of listeners) listener(now)
}

export function tokens(): Tokens | null {
  try {
    const text = localStorage.getItem(KEY)
    return text ? (JSON.parse(text) as Tokens) : null
  } catch {
    return null
  }
}

export function keepTokens(pair: Pick<TokenPair, 'access_token' | 'refresh_token' | 'expires_in' | 'user'>): void {
  const kept: Tokens = {
    access: pair.access_token,
    refresh: pair.refresh_token,
    until: Date.now() + pair.expires_in * 1000,
    userId: pair.user?.id ?? tokens()?.userId ?? '',
  }
  localStorage.setItem(KEY, JSON.stringify(kept))
  tell()
}

export function forgetTokens(): void {
  localStorage.removeItem(KEY)
  tell()
}

/**
 * A valid access token; null when nobody is signed in. `refused` is a token that the server did not accept.
 * Throws ApiProblem when the server cannot be reached; the session is kept then.
 */
export async function accessToken(refused?: string): Promise<string | null> {
  const known = tokens()
  if (!known) return null
  if (isFresh(known, refused)) return known.access
  return exclusively(LOCK, async () => {
    // Another tab may have renewed it, or signed out, while this one waited.
    const current = tokens()
    if (!current) return null
    return isFresh(current, refused) ? current.access : renew(current)
  })
}

function isFresh(known: Tokens, refused: string | undefined): boolean {
  return known.access !== refused && known.access !== '' && known.until - EARLY_MS > Date.now()
}

async function renew(current: Tokens): Promise<string | null> {
  let response: Response
  try {
    response = await fetch('/api/v1/sessions:refresh', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ refresh_token: current.refresh }),
    })
  } catch {
    throw ApiProblem.network()
  }
  if (response.ok) {
    const pair = (await response.json()) as TokenPair
    keepTokens(pair)
    return pair.access_token
  }
  const problem = await ApiProblem.from(response)
  if (problem.status !== 401 && problem.status !== 403) throw problem
  if (tokens()?.refresh === current.refresh) forgetTokens()
  return null
}

/** Takes the refresh token that a provider's sign-in leaves in the address, and cleans the address. */
export async function takeTokenFromAddress(): Promise<boolean> {
  const token = new URLSearchParams(location.hash.slice(1)).get('refresh_token')
  if (!token) return false
  history.replaceState(history.state, '', location.pathname + location.search)
  return (await exclusively(LOCK, () => renew({ access: '', refresh: token, until: 0, userId: '' }))) !== null
}
