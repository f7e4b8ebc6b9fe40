/** Inboxes, their channels, and the queues they lead to. */
import { api, take, type Schema } from '@/api/client'
import { allPages } from '../common/allPages'
import type { Values } from './schema'

export type Inbox = Schema<'Inbox'>
export type Channel = Schema<'ChannelType'>
export type Widget = Schema<'WidgetSettings'>

/** An inbox as its form holds it: nothing that is filled in is missing. */
export type InboxDraft = Omit<Inbox, 'widget' | 'config'> & { widget: Widget; config: Values }

export const INBOX_FIELDS = [
  'name',
  'enabled',
  'bot_enabled',
  'queue_id',
  'allowed_origins',
  'identity_required',
  'reopen_window_s',
  'idle_reminder_s',
  'idle_close_s',
  'greeting',
  'widget',
  'config',
  'required_skills',
] as const

export const NO_WIDGET: Widget = {
  color: '',
  theme: 'auto',
  position: 'right',
  offset_x: null,
  offset_y: null,
  default_locale: '',
  texts: {},
  pre_chat: [],
  hide_agent_names: false,
  muted: false,
  hide_attachments: false,
  hide_emoji: false,
  logo_url: '',
}

function draftOf(inbox: Inbox): InboxDraft {
  const widget = { ...NO_WIDGET, ...inbox.widget }
  return {
    ...inbox,
    config: inbox.config ?? {},
    widget: {
      ...widget,
      theme: widget.theme === 'unspecified' ? 'auto' : widget.theme,
      position: widget.position === 'unspecified' ? 'right' : widget.position,
    },
  }
}

/** Without what the server alone sets, and without what stands for nothing. */
function inputOf({ id: _id, key: _key, created_at: _created, rev: _rev, ...draft }: InboxDraft): Schema<'InboxInput'> {
  const widget = Object.fromEntries(Object.entries(draft.widget).filter(([, value]) => value !== null && value !== ''))
  return { ...draft, widget, enabled: draft.enabled ?? true } as Schema<'InboxInput'>
}

export function listInboxes(): Promise<Inbox[]> {
  return allPages(async (page_token) => {
    const answer = await take(api.GET('/api/v1/inboxes', { params: { query: { page_size: 200, page_token } } }))
    return { items: answer.inboxes, next: answer.next_page_token }
  })
}

export async function readInbox(inbox_id: string): Promise<InboxDraft> {
  return draftOf(await take(api.GET('/api/v1/inboxes/{inbox_id}', { params: { path: { inbox_id } } })))
}

export async function writeInbox(draft: InboxDraft, changed: readonly string[]): Promise<InboxDraft> {
  const body = { inbox: inputOf(draft), update_mask: changed.join(',') }
  return draftOf(await take(api.PATCH('/api/v1/inboxes/{inbox_id}', { params: { path: { inbox_id: draft.id } }, body })))
}

/** Replaces credentials that the channel did not make itself. */
export async function writeCredentials(draft: InboxDraft, credentials: Values): Promise<void> {
  const body = { inbox: inputOf(draft), update_mask: 'name', credentials }
  await take(api.PATCH('/api/v1/inboxes/{inbox_id}', { params: { path: { inbox_id: draft.id } }, body }))
}

export interface NewInbox {
  name: string
  channel: string
  queue_id: string
  bot_enabled: boolean
  config: Values
  credentials: Values
}

export function createInbox({ credentials, ...inbox }: NewInbox): Promise<Schema<'CreateInboxResponse'>> {
  return take(api.POST('/api/v1/inboxes', { body: { inbox: { ...inbox, enabled: true }, credentials } }))
}

export async function rotateSecrets(inbox_id: string, overlap_s: number): Promise<Record<string, string>> {
  const answer = await take(api.POST('/api/v1/inboxes/{inbox_id}:rotate_secrets', { params: { path: { inbox_id } }, body: { overlap_s } }))
  return answer.secrets
}

export function deleteInbox(inbox_id: string): Promise<unknown> {
  return take(api.DELETE('/api/v1/inboxes/{inbox_id}', { params: { path: { inbox_id } } }))
}

export async function listChannels(): Promise<Channel[]> {
  return (await take(api.GET('/api/v1/channels'))).channels
}
