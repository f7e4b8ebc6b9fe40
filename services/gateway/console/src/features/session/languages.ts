import type { Locale } from '@/app/i18n'

/** Each language in its own words; these are the same in every language. */
export const LANGUAGE_NAMES: Record<Locale, string> = { 'zh-CN': '简体中文', en: 'English' }
