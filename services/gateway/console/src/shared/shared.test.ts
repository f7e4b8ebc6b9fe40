import { describe, expect, it, vi } from 'vitest'
import { effectScope } from 'vue'
import { ApiProblem } from '@/api/problem'
import { setLocale } from '@/app/i18n'
import { csv } from './downloadCsv'
import { problemText } from './problems'
import { durationText, nearText } from './time'
import { useAsync } from './useAsync'
import { useCursor } from './useCursor'
import { useForm } from './useForm'

const tick = (): Promise<void> => new Promise((done) => setTimeout(done))

describe('texts', () => {
  it('says a known refusal in the language of the person, and otherwise what the server said', async () => {
    const known = new ApiProblem({ code: 'CREDENTIALS_WRONG', detail: 'Name or password wrong.' }, 401)
    expect(problemText(known)).toBe('The user name or the password is wrong.')
    expect(problemText(new ApiProblem({ code: 'SOMETHING_NEW', detail: 'The queue is full.' }, 409))).toBe('The queue is full.')
    await setLocale('zh-CN', false)
    expect(problemText(known)).toBe('用户名或密码不正确。')
    await setLocale('en', false)
  })

  it('says spans and times shortly', () => {
    expect([0, 59, 75, 600, 3720, 90_000].map(durationText)).toEqual(['0 s', '59 s', '1 min 15 s', '10 min', '1 h 2 min', '1 d 1 h'])
    const now = new Date(2026, 10, 22, 12, 0, 0)
    const at = (...parts: [number, number, number, number, number]): string => nearText(new Date(...parts), now)
    expect(nearText(now, now)).toBe('now')
    expect(at(2026, 10, 22, 11, 30)).toBe('30 min ago')
    expect(at(2026, 10, 22, 8, 5)).toBe('08:05')
    expect(at(2026, 9, 2, 8, 5)).toBe('10-02 08:05')
    expect(at(2025, 9, 2, 8, 5)).toBe('2025-10-02')
  })

  it('writes CSV that no spreadsheet runs', () => {
    expect(csv(['a', 'b'], [['x, "y"', '=1+1'], [null, -3]])).toBe('\uFEFFa,b\r\n"x, ""y""",\'=1+1\r\n,-3\r\n')
  })
})

describe('useAsync', () => {
  it('keeps the newest answer, whatever order they come in', async () => {
    const answers: ((value: string) => void)[] = []
    const scope = effectScope()
    const one = scope.run(() => useAsync(() => new Promise<string>((done) => answers.push(done))))
    void one?.run()
    answers[1]?.('new')
    answers[0]?.('old')
    await tick()
    expect(one?.data.value).toBe('new')
    expect(one?.loading.value).toBe(false)
    scope.stop()
  })

  it('keeps what it had when a reload fails', async () => {
    const load = vi.fn().mockResolvedValueOnce(1).mockRejectedValueOnce(ApiProblem.network())
    const one = effectScope().run(() => useAsync(load))
    await tick()
    await one?.run()
    expect(one?.data.value).toBe(1)
    expect(one?.error.value).toBeInstanceOf(ApiProblem)
  })
})

describe('useCursor', () => {
  it('appends pages and begins again', async () => {
    const read = vi.fn(async (token: string) => (token ? { items: [3], next: '' } : { items: [1, 2], next: 'more' }))
    const list = effectScope().run(() => useCursor(read))
    await tick()
    expect(list?.more.value).toBe(true)
    await list?.loadMore()
    expect(list?.items.value).toEqual([1, 2, 3])
    expect(list?.more.value).toBe(false)
    await list?.loadMore()
    await list?.reload()
    expect(list?.items.value).toEqual([1, 2])
    expect(read).toHaveBeenCalledTimes(3)
  })
})

describe('useForm', () => {
  it('sorts a refusal to its fields and tells the rest', async () => {
    const form = useForm(['queue.name'])
    const violations = [
      { field: 'queue.name', reason: 'REQUIRED', description: 'is required' },
      { field: 'queue.sla', reason: 'ODD', description: 'is odd' },
    ]
    const refuse = async (): Promise<void> => {
      throw new ApiProblem({ code: 'INVALID_REQUEST', violations }, 400)
    }
    expect(await form.submit(refuse)).toBe(false)
    expect(form.of('queue.name')).toBe('Fill this in')
    expect(form.general.value).toBe('queue.sla: is odd')
    expect(await form.submit(async () => undefined)).toBe(true)
    expect(form.of('queue.name')).toBe('')
  })
})
