import { t, te } from '@/app/i18n'

/** A channel's name for people; a plugin's speaks for itself. */
export function channelName(channel: string): string {
  const key = `administration.channels.${channel}.name`
  return te(key) ? t(key) : channel
}

export function channelText(channel: string, source: string): string {
  const key = `administration.channels.${channel}.text`
  return te(key) ? t(key) : t('administration.channels.plugin', { source })
}
