import { t, te } from '@/app/i18n'

const BUILT_IN = ['agent', 'supervisor', 'inspector', 'admin']

/** A role as people call it; one's own roles speak for themselves. */
export function roleName(name: string): string {
  return BUILT_IN.includes(name) ? t(`administration.roles.builtIn.${name}.name`) : name
}

export function roleText(role: { name: string; description: string }): string {
  return BUILT_IN.includes(role.name) ? t(`administration.roles.builtIn.${role.name}.text`) : role.description
}

/** "queue.write" -> what it lets a person do. The locale files have it under "queue_write": a point would be a path. */
export function permissionText(name: string): string {
  const key = `administration.permissions.${name.replace('.', '_')}`
  return te(key) ? t(key) : name
}

export function permissionArea(name: string): string {
  const key = `administration.permissionAreas.${name.split('.')[0]}`
  return te(key) ? t(key) : (name.split('.')[0] ?? name)
}

/** Permissions by their area, such as everything about queues. */
export function byArea<T extends { name: string }>(permissions: readonly T[]): { area: string; permissions: T[] }[] {
  const areas = new Map<string, T[]>()
  for (const one of permissions) {
    const area = one.name.split('.')[0] as string
    areas.set(area, [...(areas.get(area) ?? []), one])
  }
  return [...areas].map(([area, members]) => ({ area, permissions: members }))
}
