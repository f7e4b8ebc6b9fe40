/** The sentence of a system line, worded from its code in the reader's language. */
import dayjs from 'dayjs'
import { t, te } from '@/app/i18n'

interface SystemLine {
  code: string
  params?: Record<string, string>
}

export function systemText({ code, params = {} }: SystemLine): string {
  const name = code.replace(/^conversation\./, '')
  if (name === 'closed') {
    const reason = `workspace.system.closedBy.${params.reason ?? ''}`
    return params.reason && te(reason) ? t(reason) : t('workspace.system.closed')
  }
  const key = `workspace.system.${name}`
  // A line of a newer server is still a line: its code says more than nothing.
  return te(key) ? t(key, worded(params)) : t('workspace.system.other', { code })
}

function worded(params: Record<string, string>): Record<string, string> {
  return params.until ? { ...params, until: dayjs(params.until).format('MM-DD HH:mm') } : params
}
