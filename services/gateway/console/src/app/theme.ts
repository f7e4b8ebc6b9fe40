import { useMediaQuery, useLocalStorage } from '@vueuse/core'
import { computed, watchEffect } from 'vue'

export type Theme = 'light' | 'dark' | 'auto'

/** What the person chose; kept in this browser. */
export const theme = useLocalStorage<Theme>('yunsong.theme', 'auto', { writeDefaults: false })
const systemIsDark = useMediaQuery('(prefers-color-scheme: dark)')
export const isDark = computed(() => (theme.value === 'auto' ? systemIsDark.value : theme.value === 'dark'))

export function followTheme(): void {
  watchEffect(() => document.documentElement.classList.toggle('dark', isDark.value))
}
