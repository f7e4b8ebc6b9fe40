/** What calls an agent's attention: a desktop notification, a sound, the number in the title. */
import { defineStore } from 'pinia'
import { computed, ref, watch } from 'vue'
import { t } from '@/app/i18n'
import { useMe } from '@/app/me'
import type { Conversation } from '../model/types'
import { useDesk } from './desk'
import { useFeed } from './feed'

const ONE_IN_MS = 1_500

export const useNotices = defineStore('workspace.notices', () => {
  const me = useMe()
  const desk = useDesk()
  const feed = useFeed()
  const permission = ref<NotificationPermission | 'unavailable'>('Notification' in window ? Notification.permission : 'unavailable')
  const sound = computed({ get: () => me.preference('workspace.sound', true), set: (on) => me.setPreference('workspace.sound', on) })
  const desktop = computed({ get: () => me.preference('workspace.desktop', true), set: (on) => me.setPreference('workspace.desktop', on) })
  const asked = computed(() => me.preference('workspace.notificationsAsked', false))
  const ends: (() => void)[] = []
  let audio: AudioContext | null = null
  let lastSound = 0

  const badge = computed(() => desk.unreadCount + feed.offers.length)

  function start(): void {
    ends.push(
      desk.onEvent((conversation, event) => {
        const message = event.event === 'message_posted' ? event.data.message : null
        if (message?.author?.kind === 'contact' && conversation.assignee_id === desk.myId) onMessage(conversation)
        if (message?.mention_user_ids.includes(desk.myId) && message.author?.id !== desk.myId) {
          announce(t('workspace.notices.mention', { name: message.author?.name ?? '' }), conversation.last_message_preview, conversation.id, true)
        }
      }),
      feed.onNews(({ kind, item, reason }) => {
        const name = item?.contact_name || t('workspace.visitor')
        if (kind === 'offered') announce(t('workspace.notices.offer'), name, item?.conversation_id ?? '', true)
        else if (kind === 'assigned') announce(t('workspace.notices.assigned'), name, item?.conversation_id ?? '', true)
        else if (kind === 'sla' && item) announce(t(reason === 'breached' ? 'workspace.notices.late' : 'workspace.notices.soon'), name, item.conversation_id, true)
      }),
      watch(badge, showBadge, { immediate: true }),
    )
    // The router gathers the features, so it is looked at only once it stands.
    void import('@/app/router').then(({ router }) => ends.push(router.afterEach(() => void setTimeout(showBadge))))
  }

  function onMessage(conversation: Conversation): void {
    const looking = document.hasFocus() && desk.openId === conversation.id
    if (!looking) announce(conversation.contact_name || t('workspace.visitor'), conversation.last_message_preview, conversation.id, !document.hasFocus())
  }

  function announce(title: string, body: string, conversationId: string, isDesktop: boolean): void {
    ring()
    if (!isDesktop || document.hasFocus() || !desktop.value || permission.value !== 'granted') return
    const note = new Notification(title, { body, tag: `yunsong-${conversationId}`, icon: '/favicon.svg' })
    note.onclick = () => {
      window.focus()
      void import('@/app/router').then(({ router }) => router.push(`/workspace/${conversationId}`))
      note.close()
    }
  }

  /** Two soft tones, made here: no file to load, nothing to license. */
  function ring(): void {
    if (!sound.value || Date.now() - lastSound < ONE_IN_MS || !navigator.userActivation?.hasBeenActive) return
    lastSound = Date.now()
    audio ??= new AudioContext()
    const at = audio.currentTime
    for (const [delay, pitch] of [[0, 660], [0.12, 880]] as const) {
      const tone = audio.createOscillator()
      const volume = audio.createGain()
      tone.frequency.value = pitch
      volume.gain.setValueAtTime(0.0001, at + delay)
      volume.gain.exponentialRampToValueAtTime(0.12, at + delay + 0.02)
      volume.gain.exponentialRampToValueAtTime(0.0001, at + delay + 0.25)
      tone.connect(volume).connect(audio.destination)
      tone.start(at + delay)
      tone.stop(at + delay + 0.3)
    }
  }

  function showBadge(): void {
    const plain = document.title.replace(/^\(\d+\) /, '')
    document.title = badge.value ? `(${badge.value}) ${plain}` : plain
  }

  /** The browser asks only after the person said yes here. */
  async function allow(): Promise<void> {
    me.setPreference('workspace.notificationsAsked', true)
    if (permission.value !== 'unavailable') permission.value = await Notification.requestPermission()
  }

  function notNow(): void {
    me.setPreference('workspace.notificationsAsked', true)
  }

  function stop(): void {
    for (const end of ends.splice(0)) end()
    document.title = document.title.replace(/^\(\d+\) /, '')
  }

  return { permission, sound, desktop, asked, badge, start, stop, allow, notNow }
})
