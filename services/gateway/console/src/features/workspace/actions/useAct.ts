/** Runs what a person asked for: one thing at a time, a refusal shown as a notice, the answer into the desk. */
import { ref } from 'vue'
import { notifyProblem } from '@/app/faults'
import type { Conversation } from '../model/types'
import { useDesk } from '../stores/desk'

export function useAct() {
  const desk = useDesk()
  const busy = ref(false)

  /** True when it succeeded. */
  async function act(work: () => Promise<unknown>): Promise<boolean> {
    if (busy.value) return false
    busy.value = true
    try {
      const answer = await work()
      if (isConversation(answer)) desk.put(answer)
      return true
    } catch (error) {
      notifyProblem(error)
      return false
    } finally {
      busy.value = false
    }
  }

  return { busy, act }
}

function isConversation(answer: unknown): answer is Conversation {
  return typeof answer === 'object' && answer !== null && 'agent_read_rev' in answer
}
