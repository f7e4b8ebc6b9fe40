/** What a person sees when something fails: a sentence for a refused request, a page with a reload for a fault of ours. */
import { ElMessage } from 'element-plus/es/components/message/index'
import { shallowRef } from 'vue'
import { ApiProblem } from '@/api/problem'
import { problemText } from '@/shared/problems'

/** The fault that stopped the view, if one did; App.vue shows it. */
export const fault = shallowRef<unknown>(null)

/** Shows a failure as a short notice. Cancelled work says nothing. */
export function notifyProblem(error: unknown): void {
  if (isCancelled(error)) return
  ElMessage({ type: 'error', message: problemText(error), duration: 6000, showClose: true, grouping: true })
}

/** The last resort for what no view has caught. */
export function reportFault(error: unknown): void {
  if (isCancelled(error)) return
  if (error instanceof ApiProblem) notifyProblem(error)
  else {
    fault.value = error
    console.error(error)
  }
}

function isCancelled(error: unknown): boolean {
  return error === 'cancel' || error === 'close' || (error instanceof DOMException && error.name === 'AbortError')
}

window.addEventListener('unhandledrejection', (event) => {
  if (event.reason instanceof ApiProblem || isCancelled(event.reason)) event.preventDefault()
  reportFault(event.reason)
})
