/** Questions before something that cannot be taken back, and short confirmations. */
import { ElMessage } from 'element-plus/es/components/message/index'
import { ElMessageBox } from 'element-plus/es/components/message-box/index'
import { t } from '@/app/i18n'
import { problemSentence } from './violations'

export interface Question {
  title: string
  /** What follows from it. */
  text: string
  /** What the button says: the act itself. */
  action: string
  danger?: boolean
}

/** True when the person says yes. */
export async function ask({ title, text, action, danger = true }: Question): Promise<boolean> {
  try {
    await ElMessageBox.confirm(text, title, {
      confirmButtonText: action,
      cancelButtonText: t('shared.cancel'),
      confirmButtonClass: danger ? 'el-button--danger' : '',
      type: danger ? 'warning' : 'info',
      autofocus: true,
      closeOnClickModal: false,
    })
    return true
  } catch {
    return false
  }
}

export function tellSaved(text = t('shared.saved')): void {
  ElMessage({ type: 'success', message: text, duration: 2500, grouping: true })
}

export function tellProblem(problem: unknown): void {
  ElMessage({ type: 'error', message: problemSentence(problem), duration: 8000, showClose: true, grouping: true })
}

/** Does something and tells how it went. True when it went well. */
export async function attempt(act: () => Promise<unknown>, success = t('shared.saved')): Promise<boolean> {
  try {
    await act()
    tellSaved(success)
    return true
  } catch (error) {
    tellProblem(error)
    return false
  }
}

/** Whose change stays when two people changed the same. */
export async function settleConflict(fields: readonly string[], nameOf: (field: string) => string): Promise<'mine' | 'theirs' | 'neither'> {
  const names = fields.map(nameOf).join(t('administration.common.listSeparator'))
  try {
    await ElMessageBox.confirm(t('administration.common.conflict.text', { fields: names }), t('administration.common.conflict.title'), {
      confirmButtonText: t('administration.common.conflict.mine'),
      cancelButtonText: t('administration.common.conflict.theirs'),
      distinguishCancelAndClose: true,
      type: 'warning',
      closeOnClickModal: false,
    })
    return 'mine'
  } catch (action) {
    return action === 'cancel' ? 'theirs' : 'neither'
  }
}

/** True when what was typed may be thrown away. */
export function mayLeave(): Promise<boolean> {
  return ask({ title: t('administration.common.unsavedTitle'), text: t('shared.unsaved'), action: t('shared.leave') })
}
