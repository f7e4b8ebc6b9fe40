import { describe, expect, it } from 'vitest'

const files = import.meta.glob<Record<string, unknown>>(['./locales/*.json', '../features/*/locales/*.json'], { import: 'default', eager: true })

function keys(value: unknown, prefix = ''): string[] {
  if (typeof value !== 'object' || value === null) return [prefix]
  return Object.entries(value).flatMap(([name, inner]) => keys(inner, `${prefix}.${name}`))
}

describe('the languages', () => {
  const folders = new Set(Object.keys(files).map((path) => path.replace(/[^/]+$/, '')))
  it.each([...folders])('of %s say the same things', (folder) => {
    const [chinese, english] = [files[`${folder}zh-CN.json`], files[`${folder}en.json`]]
    expect(keys(chinese).sort()).toEqual(keys(english).sort())
  })
})
