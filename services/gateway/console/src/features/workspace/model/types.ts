/** The contract's words as the desk uses them. */
import type { Schema } from '@/api/client'

export type Conversation = Schema<'Conversation'>
export type Message = Schema<'Message'>
export type Content = Schema<'Content'>
export type ContentInput = Schema<'ContentInput'>
export type Contact = Schema<'Contact'>
export type Visibility = Message['visibility']
export type State = Conversation['state']
export type Priority = Conversation['priority']
export type Sort = Schema<'ConversationSort'>
export type SearchHit = Schema<'SearchHit'>
export type WorkItem = Schema<'WorkItem'>
export type Agent = Schema<'Agent'>
export type QuickReply = Schema<'QuickReply'>
export type SavedView = Schema<'SavedView'>
export type Label = Schema<'Label'>
export type WrapUpCategory = Schema<'WrapUpCategory'>
export type Queue = Schema<'Queue'>
export type Inbox = Schema<'Inbox'>
export type Colleague = Schema<'Colleague'>
export type Candidate = Schema<'Candidate'>
export type Change = Schema<'Change'>
export type ChangeMeta = Schema<'ChangeMeta'>
export type FileContent = Schema<'FileContent'>
export type FormContent = Schema<'FormContent'>

export type { ConversationEvent as ThreadEvent } from '@/api/events'
export type { OutboxEntry as Pending } from '@/api/socket'
