/** A channel's JSON Schema as the fields of a form, and the check of what was filled in. */

export type FieldKind = 'text' | 'long' | 'url' | 'secret' | 'number' | 'switch' | 'choice' | 'list'

export interface SchemaField {
  name: string
  kind: FieldKind
  title: string
  description: string
  required: boolean
  choices: string[]
  min?: number
  max?: number
  pattern?: string
  integer: boolean
  initial: unknown
}

export type SchemaFault = 'REQUIRED' | 'TOO_SHORT' | 'TOO_LONG' | 'PATTERN' | 'FORMAT' | 'MIN' | 'MAX' | 'TYPE'
export type Values = Record<string, unknown>
type Json = Record<string, unknown>

const EMPTY: Record<FieldKind, unknown> = {
  text: '',
  long: '',
  url: '',
  secret: '',
  choice: '',
  switch: false,
  list: [],
  number: undefined,
}

/** The form's fields in the schema's order, required ones first. `secrets`: every text is one. */
export function fieldsOf(schema: unknown, { secrets = false } = {}): SchemaField[] {
  if (!isRecord(schema) || !isRecord(schema.properties)) return []
  const required = new Set(Array.isArray(schema.required) ? schema.required : [])
  const fields = Object.entries(schema.properties).map(([name, each]) => field(name, isRecord(each) ? each : {}, required.has(name), secrets))
  return [...fields.filter((one) => one.required), ...fields.filter((one) => !one.required)]
}

export function initialValues(fields: readonly SchemaField[], given: Values = {}): Values {
  return Object.fromEntries(fields.map((one) => [one.name, given[one.name] ?? one.initial]))
}

/** What is sent: without fields that were left empty. */
export function filledIn(fields: readonly SchemaField[], values: Values): Values {
  const entries = fields.map((one) => [one.name, values[one.name]] as const)
  return Object.fromEntries(entries.filter(([, value]) => !isEmpty(value)))
}

/** The first fault of each field that has one. */
export function check(fields: readonly SchemaField[], values: Values): Record<string, SchemaFault> {
  const found: Record<string, SchemaFault> = {}
  for (const one of fields) {
    const fault = faultOf(one, values[one.name])
    if (fault) found[one.name] = fault
  }
  return found
}

function faultOf(field: SchemaField, value: unknown): SchemaFault | undefined {
  if (isEmpty(value)) return field.required ? 'REQUIRED' : undefined
  if (field.kind === 'number') return numberFault(field, value)
  if (field.kind === 'choice') return field.choices.includes(String(value)) ? undefined : 'TYPE'
  if (typeof value !== 'string') return undefined
  if (field.min !== undefined && value.length < field.min) return 'TOO_SHORT'
  if (field.max !== undefined && value.length > field.max) return 'TOO_LONG'
  if (field.pattern && !matches(field.pattern, value)) return 'PATTERN'
  return field.kind === 'url' && !isUrl(value) ? 'FORMAT' : undefined
}

function numberFault(field: SchemaField, value: unknown): SchemaFault | undefined {
  if (typeof value !== 'number' || Number.isNaN(value) || (field.integer && !Number.isInteger(value))) return 'TYPE'
  if (field.min !== undefined && value < field.min) return 'MIN'
  return field.max !== undefined && value > field.max ? 'MAX' : undefined
}

function field(name: string, schema: Json, required: boolean, secrets: boolean): SchemaField {
  const kind = kindOf(name, schema, secrets)
  const bounds = kind === 'number' ? ['minimum', 'maximum'] : ['minLength', 'maxLength']
  return {
    name,
    kind,
    title: text(schema.title),
    description: text(schema.description),
    required,
    choices: Array.isArray(schema.enum) ? schema.enum.map(String) : [],
    min: number(schema[bounds[0] as string]),
    max: number(schema[bounds[1] as string]),
    pattern: text(schema.pattern) || undefined,
    integer: schema.type === 'integer',
    initial: schema.default ?? EMPTY[kind],
  }
}

function kindOf(name: string, schema: Json, secrets: boolean): FieldKind {
  if (Array.isArray(schema.enum)) return 'choice'
  if (schema.type === 'boolean') return 'switch'
  if (schema.type === 'integer' || schema.type === 'number') return 'number'
  if (schema.type === 'array') return 'list'
  if (secrets || schema.writeOnly === true || schema.format === 'password' || /secret|password|token$/.test(name)) return 'secret'
  if (schema.format === 'uri') return 'url'
  return (number(schema.maxLength) ?? 0) > 500 ? 'long' : 'text'
}

/** "webhook_secret" as "Webhook secret": what a channel without a title shows. */
export function spoken(name: string): string {
  const words = name.replace(/[_-]+/g, ' ').trim()
  return words.charAt(0).toUpperCase() + words.slice(1)
}

function isEmpty(value: unknown): boolean {
  return value === undefined || value === null || value === '' || (Array.isArray(value) && value.length === 0)
}

function matches(pattern: string, value: string): boolean {
  try {
    return new RegExp(pattern, 'u').test(value)
  } catch {
    // Patterns of another dialect are left to the server.
    return true
  }
}

function isUrl(value: string): boolean {
  return /^https?:\/\/\S+$/.test(value) && URL.canParse(value)
}

const text = (value: unknown): string => (typeof value === 'string' ? value : '')
const number = (value: unknown): number | undefined => (typeof value === 'number' ? value : undefined)
const isRecord = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value)
