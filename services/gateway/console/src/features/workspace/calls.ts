/** The desk's calls of the REST API, one line each. */
import { api, take, type Schema } from '@/api/client'
import type { Filter } from './model/desk'
import type { Stretch } from './model/thread'
import type { Contact, Conversation, ContentInput, Message } from './model/types'

const of = (conversation_id: string) => ({ params: { path: { conversation_id } } })

export interface ConversationQuery extends Partial<Omit<Filter, 'assigned_to_me'>> {
  contact_id?: string
  page_token?: string
  page_size?: number
  created_after?: string
  created_before?: string
}

export function listConversations(query: ConversationQuery, signal?: AbortSignal): Promise<Schema<'ListConversationsResponse'>> {
  const asked = Object.fromEntries(Object.entries(query).filter(([, value]) => value && value !== 'unspecified' && !(Array.isArray(value) && !value.length)))
  return take(api.GET('/api/v1/conversations', { params: { query: asked }, signal: signal ?? null }))
}

export function getConversation(id: string): Promise<Conversation> {
  return take(api.GET('/api/v1/conversations/{conversation_id}', of(id)))
}

export function listMessages(id: string, query: { before_rev?: number; after_rev?: number; page_size?: number }): Promise<Stretch> {
  return take(api.GET('/api/v1/conversations/{conversation_id}/messages', { params: { path: { conversation_id: id }, query } }))
}

export function editMessage(message: Message, text: string): Promise<Message> {
  const path = { conversation_id: message.conversation_id, message_id: message.id }
  return take(api.PATCH('/api/v1/conversations/{conversation_id}/messages/{message_id}', { params: { path }, body: { text } }))
}

export function recallMessage(message: Message): Promise<Message> {
  const path = { conversation_id: message.conversation_id, message_id: message.id }
  return take(api.POST('/api/v1/conversations/{conversation_id}/messages/{message_id}:recall', { params: { path }, body: {} }))
}

export function setPriority(id: string, priority: Conversation['priority']): Promise<Conversation> {
  return take(api.PATCH('/api/v1/conversations/{conversation_id}', { ...of(id), body: { update_mask: 'priority', priority } }))
}

export function setSubject(id: string, subject: string): Promise<Conversation> {
  return take(api.PATCH('/api/v1/conversations/{conversation_id}', { ...of(id), body: { update_mask: 'subject', subject } }))
}

export function setLabels(id: string, label_ids: string[]): Promise<Conversation> {
  return take(api.PUT('/api/v1/conversations/{conversation_id}/labels', { ...of(id), body: { label_ids } }))
}

export function snooze(id: string, until: Date): Promise<Conversation> {
  return take(api.POST('/api/v1/conversations/{conversation_id}:snooze', { ...of(id), body: { until: until.toISOString() } }))
}

export function close(id: string, wrap_up_category_id: string, summary: string): Promise<Conversation> {
  return take(api.POST('/api/v1/conversations/{conversation_id}:close', { ...of(id), body: { wrap_up_category_id, summary } }))
}

export function markSpam(id: string, block_contact: boolean): Promise<Conversation> {
  return take(api.POST('/api/v1/conversations/{conversation_id}:mark_spam', { ...of(id), body: { block_contact } }))
}

export function pick(id: string): Promise<Schema<'WorkItem'>> {
  return take(api.POST('/api/v1/conversations/{conversation_id}:pick', { ...of(id), body: {} }))
}

export function takeOver(id: string): Promise<Schema<'WorkItem'>> {
  return take(api.POST('/api/v1/conversations/{conversation_id}:take_over', { ...of(id), body: {} }))
}

export function transfer(id: string, target: { queue_id?: string; agent_id?: string; note?: string }): Promise<Schema<'WorkItem'>> {
  return take(api.POST('/api/v1/conversations/{conversation_id}:transfer', { ...of(id), body: target }))
}

export function acceptOffer(work_item_id: string): Promise<Schema<'WorkItem'>> {
  return take(api.POST('/api/v1/work_items/{work_item_id}:accept', { params: { path: { work_item_id } }, body: {} }))
}

export function declineOffer(work_item_id: string): Promise<Schema<'WorkItem'>> {
  return take(api.POST('/api/v1/work_items/{work_item_id}:decline', { params: { path: { work_item_id } }, body: {} }))
}

export function startConversation(contact_id: string, inbox_id: string, content: ContentInput, client_id: string): Promise<Conversation> {
  return take(api.POST('/api/v1/conversations', { body: { contact_id, inbox_id, content, client_id } }))
}

export function searchMessages(query: string, page_token = '', conversation_id = '', signal?: AbortSignal): Promise<Schema<'SearchMessagesResponse'>> {
  const asked = { query, page_size: 30, ...(page_token && { page_token }), ...(conversation_id && { conversation_id }) }
  return take(api.GET('/api/v1/messages:search', { params: { query: asked }, signal: signal ?? null }))
}

export function suggestAnswers(id: string, signal?: AbortSignal): Promise<Schema<'SuggestAnswersResponse'>> {
  return take(api.GET('/api/v1/conversations/{conversation_id}/suggestions', { ...of(id), signal: signal ?? null }))
}

export function getContact(contact_id: string, signal?: AbortSignal): Promise<Contact> {
  return take(api.GET('/api/v1/contacts/{contact_id}', { params: { path: { contact_id } }, signal: signal ?? null }))
}

export function listContacts(query: string, signal?: AbortSignal): Promise<Schema<'ListContactsResponse'>> {
  return take(api.GET('/api/v1/contacts', { params: { query: { query, page_size: 20 } }, signal: signal ?? null }))
}

export function updateContact(contact_id: string, contact: Schema<'ContactFieldsInput'>, update_mask: string, rev: number): Promise<Contact> {
  return take(api.PATCH('/api/v1/contacts/{contact_id}', { params: { path: { contact_id } }, body: { contact, update_mask, rev } }))
}

export function mergeContacts(contact_id: string, merged_contact_id: string): Promise<Contact> {
  return take(api.POST('/api/v1/contacts/{contact_id}:merge', { params: { path: { contact_id } }, body: { merged_contact_id } }))
}

export function setBlocked(contact_id: string, blocked: boolean): Promise<Contact> {
  return take(api.POST('/api/v1/contacts/{contact_id}:set_blocked', { params: { path: { contact_id } }, body: { blocked } }))
}

export function fileUrl(file_id: string): Promise<string> {
  return take(api.GET('/api/v1/files/{file_id}', { params: { path: { file_id } } })).then((file) => file.url)
}

export const getMyAgent = () => take(api.GET('/api/v1/agents/me'))
export const readFeed = () => take(api.GET('/api/v1/agents/me/feed', { params: { query: { after_rev: 0, page_size: 1 } } }))
export const listPresenceReasons = () => take(api.GET('/api/v1/presence_reasons'))
export const listLabels = () => take(api.GET('/api/v1/labels'))
export const listCategories = () => take(api.GET('/api/v1/wrap_up_categories'))
export const listQueues = () => take(api.GET('/api/v1/queues', { params: { query: { page_size: 200 } } }))
export const listInboxes = () => take(api.GET('/api/v1/inboxes', { params: { query: { page_size: 200 } } }))
export const listAgents = () => take(api.GET('/api/v1/agents', { params: { query: { page_size: 200 } } }))
export const listColleagues = () => take(api.GET('/api/v1/colleagues'))
export const getBusiness = () => take(api.GET('/api/v1/business'))
export const listQuickReplies = () => take(api.GET('/api/v1/quick_replies', { params: { query: { page_size: 500 } } }))
export const listSavedViews = () => take(api.GET('/api/v1/saved_views'))

export function createSavedView(body: { name: string; filter: Schema<'ConversationFilterInput'>; shared: boolean }): Promise<Schema<'SavedView'>> {
  return take(api.POST('/api/v1/saved_views', { body }))
}

export function deleteSavedView(saved_view_id: string): Promise<unknown> {
  return take(api.DELETE('/api/v1/saved_views/{saved_view_id}', { params: { path: { saved_view_id } } }))
}
