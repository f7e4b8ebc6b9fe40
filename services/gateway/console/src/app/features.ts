import type { Feature, NavigationEntry, Permission } from './feature'

const modules = import.meta.glob<{ default: Feature }>('../features/*/feature.ts', { eager: true })

/** Every feature there is, in the order of the navigation. */
export const features: readonly Feature[] = Object.values(modules)
  .map((module) => module.default)
  .sort((one, other) => one.order - other.order)

export const navigation: readonly NavigationEntry[] = features.flatMap((feature) =>
  (feature.nav ?? []).map((entry) => ({ ...entry, permission: entry.permission ?? feature.permission })),
)

export function isAllowed(wanted: Permission | undefined, held: ReadonlySet<string>): boolean {
  if (wanted === undefined) return true
  return typeof wanted === 'string' ? held.has(wanted) : wanted.some((one) => held.has(one))
}
