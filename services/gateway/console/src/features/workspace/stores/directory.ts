/** What the desk names things by: queues, inboxes, labels, colleagues, quick replies. Read once, and again when asked. */
import { defineStore } from 'pinia'
import { computed, shallowRef } from 'vue'
import * as calls from '../calls'
import type { Agent, Colleague, Inbox, Label, Queue, QuickReply, SavedView, WrapUpCategory } from '../model/types'

const STALE_MS = 5 * 60_000

export const useDirectory = defineStore('workspace.directory', () => {
  const labels = shallowRef<Label[]>([])
  const categories = shallowRef<WrapUpCategory[]>([])
  const queues = shallowRef<Queue[]>([])
  const inboxes = shallowRef<Inbox[]>([])
  const colleagues = shallowRef<Colleague[]>([])
  const agents = shallowRef<Agent[]>([])
  const quickReplies = shallowRef<QuickReply[]>([])
  const savedViews = shallowRef<SavedView[]>([])
  const business = shallowRef('')
  let readAt = 0

  /** Each part stands on its own: one that the person may not read leaves the others. */
  async function load(): Promise<void> {
    readAt = Date.now()
    await Promise.allSettled([
      calls.listLabels().then((answer) => (labels.value = answer.labels)),
      calls.listCategories().then((answer) => (categories.value = answer.wrap_up_categories)),
      calls.listQueues().then((answer) => (queues.value = answer.queues)),
      calls.listInboxes().then((answer) => (inboxes.value = answer.inboxes)),
      calls.listColleagues().then((answer) => (colleagues.value = answer.colleagues)),
      calls.getBusiness().then((answer) => (business.value = answer.name)),
      loadQuickReplies(),
      loadSavedViews(),
    ])
  }

  async function freshen(): Promise<void> {
    if (Date.now() - readAt > STALE_MS) await load()
  }

  async function loadQuickReplies(): Promise<void> {
    quickReplies.value = (await calls.listQuickReplies()).quick_replies
  }

  async function loadSavedViews(): Promise<void> {
    savedViews.value = (await calls.listSavedViews()).saved_views
  }

  /** Who can take a conversation now; read at every use, for their load changes all the time. */
  async function loadAgents(): Promise<void> {
    agents.value = (await calls.listAgents()).agents
  }

  const names = computed(() => new Map([...queues.value, ...inboxes.value, ...labels.value].map((one) => [one.id, one.name])))
  const labelById = computed(() => new Map(labels.value.map((one) => [one.id, one])))
  const colleagueNames = computed(() => new Map(colleagues.value.map((one) => [one.id, one.display_name])))

  return {
    labels, categories, queues, inboxes, colleagues, agents, quickReplies, savedViews, business, names, labelById, colleagueNames,
    load, freshen, loadQuickReplies, loadSavedViews, loadAgents,
    nameOf: (id: string) => names.value.get(id) ?? '',
    colleagueName: (id: string) => colleagueNames.value.get(id) ?? '',
  }
})
