/** Runs one piece of work at a time over all tabs of this browser. */

const LEASE_MS = 10_000
const LOOK_AGAIN_MS = 50

/**
 * Web Locks where the browser offers them (they need HTTPS or localhost), otherwise a lease in the local storage: a copy on
 * a plain-HTTP network has several tabs too.
 */
export async function exclusively<T>(name: string, work: () => Promise<T>): Promise<T> {
  if (navigator.locks) return (await navigator.locks.request(name, work)) as T
  const key = `${name}.lease`
  const mine = randomId()
  const deadline = Date.now() + 2 * LEASE_MS
  while (Date.now() < deadline) {
    const [holder, until] = (localStorage.getItem(key) ?? '').split(' ')
    if (!holder || Number(until) < Date.now()) {
      localStorage.setItem(key, `${mine} ${Date.now() + LEASE_MS}`)
      await pause(LOOK_AGAIN_MS) // two tabs may write at once; the last one holds it
      if ((localStorage.getItem(key) ?? '').startsWith(mine)) break
    }
    await pause(LOOK_AGAIN_MS)
  }
  try {
    return await work()
  } finally {
    if ((localStorage.getItem(key) ?? '').startsWith(mine)) localStorage.removeItem(key)
  }
}

/** 128 random bits as hex; `crypto.randomUUID` needs HTTPS. */
export function randomId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('')
}

function pause(ms: number): Promise<void> {
  return new Promise((done) => setTimeout(done, ms))
}
