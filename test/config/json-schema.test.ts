// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references to the environment look like that.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import Schema from 'typebox/schema'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { checkService } from '../../src/config/check-service.ts'
import { jsonSchema } from '../../src/config/json-schema.ts'
import { isKeyed } from '../../src/config/read.ts'
import { ServiceSchema } from '../../src/config/schema/service.ts'

const validator = Schema.Compile(jsonSchema)

test('the published schema is the one in the code (npm run schema)', async () => {
  const published = await readFile(join(import.meta.dirname, '../../config/cutover.schema.json'), 'utf8')
  expect(published).toBe(`${JSON.stringify(jsonSchema, null, 2)}\n`)
})

test('it accepts the sample of the specification', async () => {
  const sample = parse(await readFile(join(import.meta.dirname, 'spec-sample.yaml'), 'utf8'))
  expect(validator.Errors(sample)[1]).toEqual([])
})

const shop = (service: object) => ({ services: { shop: { pools: { blue: {} }, ...service } } })

test.for([
  {},
  { 'x-anchors': [1, 2] },
  { proxy: { listen: [':80', { address: 'unix:/x' }], workers: 0 } },
  shop({ health: 'off' }),
  shop({ health: false, timeouts: { connect: 0, response: '5s' }, retry: { methods: ['GET'] } }),
  shop({ pools: { blue: { servers: { a: 'http://a:1', b: { url: 'http://b:1', weight: '${W:-2}' }, c: '${URL}' } } } }),
  shop({ minReady: '${MIN}', balance: '${B:-roundRobin}', stripPrefix: '${S}', timeouts: { idle: '${T}' } }),
])('it accepts %j', (config) => {
  expect(validator.Errors(config)[1]).toEqual([])
})

test.for([
  { prox: {} },
  { services: { 'a b': { pools: {} } } },
  { services: { shop: {} } },
  shop({ timeouts: { connect: '5 s' } }),
  shop({ balance: 'leastrequest' }),
  shop({ minReady: 'two' }),
  shop({ pools: { blue: { servers: { a: 'a:1' } } } }),
])('it refuses %j', (config) => {
  expect(validator.Check(config)).toBe(false)
})

test('a value that passes the checks passes in an editor', () => {
  const values = [
    0,
    1,
    50,
    'off',
    false,
    true,
    '5s',
    '20%',
    '64kb',
    '',
    '/x',
    'a.example',
    [],
    ['GET'],
    ['a.example'],
    {},
    { blue: 100 },
  ]
  const service = fc.dictionary(fc.constantFrom(...Object.keys(ServiceSchema.properties)), fc.constantFrom(...values))
  fc.assert(
    fc.property(service, (changes) => {
      fc.pre(checkService('shop', shop(changes).services.shop).ok)
      expect(validator.Errors(shop(changes))[1]).toEqual([])
    }),
  )
})

test('every key has a description', () => {
  const silent: string[] = []
  const visit = (schema: unknown, path: string): void => {
    if (Array.isArray(schema)) for (const item of schema) visit(item, path)
    if (!isKeyed(schema)) return
    for (const [key, value] of Object.entries(schema)) {
      if (key !== 'properties' || !isKeyed(value)) visit(value, key === 'patternProperties' ? `${path}.*` : path)
      else {
        for (const [name, property] of Object.entries(value)) {
          if (!isKeyed(property) || !property.description) silent.push(`${path}.${name}`)
          visit(property, `${path}.${name}`)
        }
      }
    }
  }
  visit(jsonSchema, '')
  expect(silent).toEqual([])
})
