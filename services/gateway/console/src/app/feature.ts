import type { Component } from 'vue'
import type { RouteLocationRaw, RouteRecordRaw } from 'vue-router'

/** A permission by its name in the contract; of several, one is enough. */
export type Permission = string | readonly string[]

declare module 'vue-router' {
  interface RouteMeta {
    /** Who may open the view; everybody who is signed in when unset. */
    permission?: Permission
    /** The view is for visitors who are not signed in, and stands without the shell. */
    open?: boolean
    /** The view fills the screen without the shell, for people who are signed in. */
    bare?: boolean
    /** A key of the locale files: the document's title. */
    title?: string
  }
}

export interface NavigationEntry {
  icon: Component
  /** A key of the locale files. */
  labelKey: string
  /** Where it leads; it is marked for every address below. */
  to: string
  permission?: Permission
  /** What is shown at the entry, such as the number of unread conversations; reactive when it reads reactive state. */
  badge?: () => number
}

/** What the shell shows in its places; a feature fills them. */
export type Slot = 'presence' | 'notice' | 'user-menu'

/** A part of the console: a folder under `features/` whose `feature.ts` has this as its default export. */
export interface Feature {
  /** The folder's name, and the key under which its locale files are merged. */
  name: string
  /** Place in the navigation and of the first view after sign-in; ascending. */
  order: number
  routes: RouteRecordRaw[]
  nav?: NavigationEntry[]
  /** Asked of every route and entry that names none itself. */
  permission?: Permission
  slots?: Partial<Record<Slot, Component>>
  /** May lead elsewhere than to the first entry of the navigation after sign-in; undefined when there is no need. */
  landing?: () => Promise<RouteLocationRaw | undefined>
  /** Runs once after sign-in, before the first view. */
  start?: () => void | Promise<void>
  /** Undoes `start` at sign-out. */
  stop?: () => void
}

export function defineFeature(feature: Feature): Feature {
  return feature
}
