/** Languages: every feature's locale files merged under the feature's name, loaded for the chosen language alone. */
import dayjs from 'dayjs'
import 'dayjs/locale/zh-cn'
import { createI18n } from 'vue-i18n'

export const LOCALES = ['zh-CN', 'en'] as const
export type Locale = (typeof LOCALES)[number]
type Messages = Record<string, unknown>

const KEY = 'yunsong.locale'
const own = import.meta.glob<Messages>('./locales/*.json', { import: 'default' })
const ofFeatures = import.meta.glob<Messages>('../features/*/locales/*.json', { import: 'default' })

export const i18n = createI18n({ legacy: false, locale: 'zh-CN' as string, fallbackLocale: 'en', messages: {}, missingWarn: false, fallbackWarn: false })
/** For code outside components. */
export const t = i18n.global.t
export const te = i18n.global.te

export function currentLocale(): Locale {
  return i18n.global.locale.value as Locale
}

/** The nearest language there is to a preference such as "zh-TW" or "en-GB". */
export function nearest(wanted: string | undefined): Locale | undefined {
  if (!wanted) return undefined
  return LOCALES.find((one) => one.split('-')[0] === wanted.toLowerCase().split('-')[0])
}

export function rememberedLocale(): Locale | undefined {
  return nearest(localStorage.getItem(KEY) ?? undefined)
}

export function preferredLocale(): Locale {
  return rememberedLocale() ?? navigator.languages.map(nearest).find((one) => one) ?? 'en'
}

export async function setLocale(locale: Locale, remember = true): Promise<void> {
  if (!i18n.global.availableLocales.includes(locale)) i18n.global.setLocaleMessage(locale, await messages(locale))
  i18n.global.locale.value = locale
  dayjs.locale(locale === 'zh-CN' ? 'zh-cn' : 'en')
  document.documentElement.lang = locale
  if (remember) localStorage.setItem(KEY, locale)
}

async function messages(locale: Locale): Promise<Messages> {
  const merged: Messages = { ...(await own[`./locales/${locale}.json`]?.()) }
  const parts = Object.entries(ofFeatures).filter(([path]) => path.endsWith(`/${locale}.json`))
  const loaded = await Promise.all(parts.map(async ([path, load]) => [path.split('/')[2] as string, await load()] as const))
  for (const [feature, part] of loaded) merged[feature] = part
  return merged
}
