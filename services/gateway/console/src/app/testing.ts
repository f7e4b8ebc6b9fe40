/** What every unit test starts from: both languages' common texts, and what jsdom lacks. */
import { config } from '@vue/test-utils'
import { beforeAll, beforeEach } from 'vitest'
import { i18n, setLocale } from './i18n'

config.global.plugins.push(i18n)

if (!window.matchMedia) {
  window.matchMedia = (query) =>
    ({ matches: false, media: query, addEventListener() {}, removeEventListener() {}, addListener() {}, removeListener() {} }) as unknown as MediaQueryList
}
window.ResizeObserver ??= class {
  observe(): void {}
  unobserve(): void {}
  disconnect(): void {}
}

beforeAll(() => setLocale('en', false))
beforeEach(() => localStorage.clear())
