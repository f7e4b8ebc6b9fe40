/** What a form changed, and what somebody else changed meanwhile. */

type Fields = object

/** Deep equality of plain values; a missing member, null and an empty string, list or map are one and the same. */
export function equal(one: unknown, other: unknown): boolean {
  if (isBlank(one) && isBlank(other)) return true
  if (Array.isArray(one) && Array.isArray(other)) {
    return one.length === other.length && one.every((each, index) => equal(each, other[index]))
  }
  if (isRecord(one) && isRecord(other)) {
    const names = new Set([...Object.keys(one), ...Object.keys(other)])
    return [...names].every((name) => equal(one[name], other[name]))
  }
  return one === other
}

/** The fields of `names` in which `draft` differs from `original`. */
export function changedFields<T extends Fields>(original: T, draft: T, names: readonly (keyof T & string)[]): (keyof T & string)[] {
  return names.filter((name) => !equal(original[name], draft[name]))
}

/** The fields that both the person and somebody else changed since `original`, to different values. */
export function conflictingFields<T extends Fields>(
  original: T,
  draft: T,
  current: T,
  names: readonly (keyof T & string)[],
): (keyof T & string)[] {
  return changedFields(original, draft, names).filter(
    (name) => !equal(original[name], current[name]) && !equal(draft[name], current[name]),
  )
}

function isBlank(value: unknown): boolean {
  if (value === undefined || value === null || value === '' || value === false || value === 0) return true
  if (Array.isArray(value)) return value.length === 0
  return isRecord(value) && Object.values(value).every(isBlank)
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
