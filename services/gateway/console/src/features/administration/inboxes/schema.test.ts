import { describe, expect, it } from 'vitest'
import { check, fieldsOf, filledIn, initialValues, spoken } from './schema'

const schema = {
  type: 'object',
  properties: {
    region: { type: 'string', enum: ['cn', 'eu'], default: 'cn' },
    url: { type: 'string', format: 'uri', maxLength: 40, description: 'Where messages go.' },
    retries: { type: 'integer', minimum: 1, maximum: 5 },
    verbose: { type: 'boolean' },
    app_secret: { type: 'string', minLength: 4, pattern: '^[a-z]+$' },
  },
  required: ['url'],
}

describe('a form out of a schema', () => {
  const fields = fieldsOf(schema)
  const byName = Object.fromEntries(fields.map((one) => [one.name, one]))

  it('puts what is required first and gives each field its kind', () => {
    expect(fields.map((one) => `${one.name}:${one.kind}`)).toEqual([
      'url:url',
      'region:choice',
      'retries:number',
      'verbose:switch',
      'app_secret:secret',
    ])
    expect(byName.url?.description).toBe('Where messages go.')
  })

  it('starts with what is stored, then with the default', () => {
    expect(initialValues(fields, { url: 'https://a.example' })).toEqual({
      url: 'https://a.example',
      region: 'cn',
      retries: undefined,
      verbose: false,
      app_secret: '',
    })
  })

  it('finds one fault per field', () => {
    expect(check(fields, { url: '', region: 'us', retries: 9, app_secret: 'ABCD' })).toEqual({
      url: 'REQUIRED',
      region: 'TYPE',
      retries: 'MAX',
      app_secret: 'PATTERN',
    })
    expect(check(fields, { url: 'ftp://a', retries: 1.5, app_secret: 'abc' })).toEqual({
      url: 'FORMAT',
      retries: 'TYPE',
      app_secret: 'TOO_SHORT',
    })
    expect(check(fields, { url: 'https://a.example/hook' })).toEqual({})
  })

  it('leaves a pattern it cannot read to the server', () => {
    const odd = fieldsOf({ properties: { code: { type: 'string', pattern: '(?P<a>x)' } } })
    expect(check(odd, { code: 'y' })).toEqual({})
  })

  it('sends only what was filled in, and false and zero too', () => {
    expect(filledIn(fields, { url: 'https://a.example', retries: 0, verbose: false, app_secret: '' })).toEqual({
      url: 'https://a.example',
      retries: 0,
      verbose: false,
    })
  })

  it('has no fields for a channel without settings', () => {
    expect(fieldsOf({ type: 'object', properties: {} })).toEqual([])
    expect(fieldsOf(null)).toEqual([])
  })

  it('takes every text of the credentials for a secret', () => {
    expect(fieldsOf({ properties: { app_id: { type: 'string' } } }, { secrets: true })[0]?.kind).toBe('secret')
  })

  it('speaks a name', () => {
    expect(spoken('webhook_secret')).toBe('Webhook secret')
  })
})
