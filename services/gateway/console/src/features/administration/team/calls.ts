/** Users and roles. */
import { api, take, type Schema } from '@/api/client'

export type User = Schema<'User'>
export type Role = Schema<'Role'>
export type Permission = Schema<'Permission'>

export async function listRoles(): Promise<Role[]> {
  return (await take(api.GET('/api/v1/roles'))).roles
}

export async function listPermissions(): Promise<Permission[]> {
  return (await take(api.GET('/api/v1/permissions'))).permissions
}

export interface UserForm {
  id: string
  username: string
  display_name: string
  email: string
  roles: string[]
  enabled: boolean
  locale: string
}
const USER_FIELDS = ['display_name', 'email', 'roles', 'locale'] as const

export function createUser({ id: _id, ...user }: UserForm): Promise<Schema<'CreateUserResponse'>> {
  return take(api.POST('/api/v1/users', { body: { user } }))
}

export function updateUser({ id, ...user }: UserForm): Promise<User> {
  return take(api.PATCH('/api/v1/users/{user_id}', { params: { path: { user_id: id } }, body: { user, update_mask: USER_FIELDS.join(',') } }))
}

export function setEnabled({ id, username, display_name }: Pick<User, 'id' | 'username' | 'display_name'>, enabled: boolean): Promise<User> {
  const body = { user: { username, display_name, enabled }, update_mask: 'enabled' }
  return take(api.PATCH('/api/v1/users/{user_id}', { params: { path: { user_id: id } }, body }))
}

export async function resetPassword(user_id: string): Promise<string> {
  return (await take(api.POST('/api/v1/users/{user_id}:reset_password', { params: { path: { user_id } }, body: {} }))).password
}

export function endSessions(user_id: string): Promise<unknown> {
  return take(api.POST('/api/v1/users/{user_id}:revoke_sessions', { params: { path: { user_id } }, body: {} }))
}
