/** Who is signed in: the user, what it may do, and its own settings of this console. */
import { useDebounceFn } from '@vueuse/core'
import { defineStore } from 'pinia'
import { computed, ref } from 'vue'
import { api, take, type Schema } from '@/api/client'
import { forgetTokens, tokens } from '@/api/session'
import type { Permission } from './feature'
import { isAllowed } from './features'
import { nearest, rememberedLocale, setLocale } from './i18n'

export const useMe = defineStore('me', () => {
  const me = ref<Schema<'Me'> | null>(null)
  const user = computed(() => me.value?.user ?? null)
  const permissions = computed(() => new Set(me.value?.permissions ?? []))
  const mustChangePassword = computed(() => user.value?.password_change_required ?? false)

  async function load(): Promise<void> {
    me.value = await take(api.GET('/api/v1/me'))
    const own = nearest(user.value?.locale)
    if (own && !rememberedLocale()) await setLocale(own)
  }

  function can(permission: Permission | undefined): boolean {
    return isAllowed(permission, permissions.value)
  }

  const save = useDebounceFn(async () => {
    if (me.value) await take(api.PATCH('/api/v1/me', { body: { preferences: me.value.preferences ?? {} } }))
  }, 800)

  /** A setting of this person that follows it to other browsers. */
  function preference<T>(name: string, otherwise: T): T {
    return (me.value?.preferences?.[name] as T | undefined) ?? otherwise
  }

  function setPreference(name: string, value: unknown): void {
    if (!me.value) return
    me.value = { ...me.value, preferences: { ...me.value.preferences, [name]: value } }
    // A setting that could not be stored still holds for this visit.
    void save().catch(() => undefined)
  }

  async function signOut(): Promise<void> {
    if (tokens()) await take(api.POST('/api/v1/sessions:sign_out', { body: {} })).catch(() => undefined)
    forgetTokens()
  }

  function clear(): void {
    me.value = null
  }

  return { me, user, permissions, mustChangePassword, load, can, preference, setPreference, signOut, clear }
})
