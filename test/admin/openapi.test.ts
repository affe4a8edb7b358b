import { Compile } from 'typebox/schema'
import { describe, expect, test } from 'vitest'
import type { Answer } from '../support/cutover.ts'
import { send, useShop } from './support.ts'

const shop = useShop()

interface Operation {
  readonly operationId: string
  readonly tags: readonly string[]
  readonly summary: string
  readonly security?: readonly unknown[]
  readonly parameters?: readonly {
    readonly name: string
    readonly in: string
    readonly required?: boolean
    readonly schema: object
  }[]
  readonly requestBody?: { readonly required: boolean; readonly content: Readonly<Record<string, { schema: object }>> }
  readonly responses: Readonly<
    Record<string, { readonly description: string; readonly content?: Readonly<Record<string, { schema: object }>> }>
  >
}
interface Document {
  readonly openapi: string
  readonly info: { readonly title: string; readonly version: string }
  readonly tags: readonly { readonly name: string }[]
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly components: { readonly schemas: Readonly<Record<string, object>>; readonly securitySchemes: object }
}

const document = async (): Promise<Document> => shop.done('GET', '/api/openapi.json')
const operations = ({ paths }: Document) =>
  Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  )

const ROUTES = `
GET /api/services
GET /api/services/{service}
PUT /api/services/{service}
PATCH /api/services/{service}
DELETE /api/services/{service}
GET /api/services/{service}/history
PUT /api/services/{service}/pools/{pool}
DELETE /api/services/{service}/pools/{pool}
PUT /api/services/{service}/pools/{pool}/servers/{server}
DELETE /api/services/{service}/pools/{pool}/servers/{server}
POST /api/services/{service}/switch
POST /api/services/{service}/shift
POST /api/services/{service}/rollback
GET /api/servers
GET /api/servers/{server}
PATCH /api/servers/{server}
POST /api/servers/{server}/disable
POST /api/servers/{server}/drain
POST /api/servers/{server}/enable
GET /api/config
GET /api/instances
GET /api/instances/{id}
DELETE /api/instances/{id}
GET /api/overrides
DELETE /api/overrides
POST /api/workers/restart
POST /api/config/reload
GET /healthz
GET /health
GET /ready
GET /metrics
POST /api/services/{service}/pools/{pool}/preview
GET /preview/{service}/{pool}/{path}
POST /preview/{service}/{pool}/{path}
GET /api/instances/{id}/{path}
POST /api/instances/{id}/{path}
`
  .trim()
  .split('\n')

/** Whatever the method. */
const isHandedOn = (route: string) => route.endsWith('/{path}')

test('names every route', async () => {
  const named = operations(await document()).map(({ path, method }) => `${method.toUpperCase()} ${path}`)
  expect(named.filter((route) => !isHandedOn(route)).toSorted()).toEqual(
    ROUTES.filter((route) => !isHandedOn(route)).toSorted(),
  )
  expect(named).toEqual(expect.arrayContaining(ROUTES))
})

test('names no route that is not there', async () => {
  for (const { path, method } of operations(await document())) {
    const url = path.replaceAll(/\{\w+\}/g, 'nothing')
    const answer = await send(shop.cutover.admin, { method: method.toUpperCase(), path: url })
    expect([method, path, answer.body.title === 'Not found']).toEqual([method, path, false])
  }
})

test('is a valid OpenAPI 3.1 document', async () => {
  const all = await document()
  expect(all.openapi).toMatch(/^3\.1\.\d$/)
  expect(all.info).toMatchObject({ title: 'Cutover', version: expect.stringMatching(/^\d+\.\d+\.\d+/) })
  const tags = all.tags.map(({ name }) => name)
  const ids = operations(all).map(({ operation }) => operation.operationId)
  expect(new Set(ids).size).toBe(ids.length)
  for (const { path, operation } of operations(all)) {
    expect(operation.operationId).toMatch(/^[a-z][A-Za-z]+$/)
    expect(operation.summary).toMatch(/\S/)
    expect(tags).toEqual(expect.arrayContaining([...operation.tags]))
    expect(operation.tags).toHaveLength(1)
    const parameters = operation.parameters ?? []
    const inPath = parameters.filter((each) => each.in === 'path')
    const templates = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name)
    expect(path.replaceAll(/\{\w+\}/g, '')).toMatch(/^\/[a-z/]*$/)
    expect(inPath.map(({ name }) => name).toSorted()).toEqual(templates.toSorted())
    expect(inPath.every(({ required }) => required === true)).toBe(true)
    for (const { in: where, name, schema } of parameters) {
      expect(['path', 'query']).toContain(where)
      expect([name, typeof schema]).toEqual([name, 'object'])
    }
    expect(new Set(parameters.map((each) => `${each.in} ${each.name}`)).size).toBe(parameters.length)
    expect(Object.keys(operation.responses)).toEqual(expect.arrayContaining(['200', 'default']))
    for (const [code, { description, content }] of Object.entries(operation.responses)) {
      expect(code).toMatch(/^([1-5]\d\d|default)$/)
      expect(description).toMatch(/\S/)
      if (content !== undefined) expect(Object.keys(content)[0]).toMatch(/^application\/(problem\+)?json$/)
    }
  }
})

test('every schema is one, and every reference leads somewhere', async () => {
  const all = await document()
  const text = JSON.stringify(all)
  for (const [, name = ''] of text.matchAll(/"\$ref":"#\/components\/schemas\/(\w+)"/g)) {
    expect(Object.keys(all.components.schemas)).toContain(name)
  }
  expect(text.match(/"\$ref":"(?!#\/components\/schemas\/)/)).toBe(null)
  for (const keyword of ['errorMessage', 'nameMessage', '~kind', '~codec']) expect(text).not.toContain(`"${keyword}"`)
  const schemas = operations(all).flatMap(({ operation }) => [
    ...(operation.parameters ?? []).map(({ schema }) => schema),
    ...Object.values(operation.requestBody?.content ?? {}).map(({ schema }) => schema),
    ...Object.values(operation.responses).flatMap(({ content }) =>
      Object.values(content ?? {}).map(({ schema }) => schema),
    ),
  ])
  expect(schemas.length).toBeGreaterThan(80)
  for (const schema of schemas) expect(() => Compile({ ...schema, components: all.components })).not.toThrow()
})

test('a body may be left out where the defaults suffice, and what needs no token says so', async () => {
  const all = operations(await document())
  for (const { path, method, operation } of all) {
    if (operation.requestBody === undefined) continue
    expect([path, operation.requestBody.required]).toEqual([path, method === 'put' || method === 'patch'])
  }
  const open = all.filter(({ operation }) => operation.security?.length === 0).map(({ path }) => path)
  expect(open).toEqual(['/healthz', '/ready'])
})

describe('describes what is really answered:', () => {
  /** The schema of an answer with nothing in it that is not described. */
  const strict = (schema: unknown): unknown => {
    if (Array.isArray(schema)) return schema.map(strict)
    if (typeof schema !== 'object' || schema === null) return schema
    const entries = Object.entries(schema).map(([key, value]) => [key, strict(value)])
    const isClosed = 'properties' in schema && !('additionalProperties' in schema)
    return Object.fromEntries(isClosed ? [...entries, ['additionalProperties', false]] : entries)
  }

  async function expectDescribed(method: string, path: string, template: string, answer: Answer): Promise<void> {
    const all = await document()
    const responses = all.paths[template]?.[method.toLowerCase()]?.responses
    const content = (responses?.[`${answer.status}`] ?? responses?.default)?.content ?? {}
    const type = (answer.headers.get('content-type') ?? '').replace(/;.*/, '')
    const schema = content[type]?.schema
    expect([template, type, typeof schema]).toEqual([template, type, 'object'])
    const whole = strict({ ...schema, components: { schemas: all.components.schemas } })
    const [isValid, errors] = Compile(whole as object).Errors(answer.body)
    expect([path, isValid ? [] : errors]).toEqual([path, []])
  }

  test.each([
    ['GET', '/api/services', '/api/services'],
    ['GET', '/api/services/shop', '/api/services/{service}'],
    ['GET', '/api/services/nothing', '/api/services/{service}'],
    ['GET', '/api/services/shop/history', '/api/services/{service}/history'],
    ['GET', '/api/servers', '/api/servers'],
    ['GET', '/api/servers/blue1', '/api/servers/{server}'],
    ['POST', '/api/services/shop/switch?wait=5s', '/api/services/{service}/switch'],
    ['POST', '/api/services/shop/switch?x', '/api/services/{service}/switch'],
    ['POST', '/api/services/shop/rollback', '/api/services/{service}/rollback'],
    ['POST', '/api/servers/blue1/disable?wait=5s', '/api/servers/{server}/disable'],
    ['DELETE', '/api/services/shop', '/api/services/{service}'],
    ['GET', '/api/config', '/api/config'],
    ['POST', '/api/config/reload', '/api/config/reload'],
    ['GET', '/health', '/health'],
    ['GET', '/healthz', '/healthz'],
    ['GET', '/ready', '/ready'],
  ])('%s %s', async (method, path, template) => {
    await expectDescribed(method, path, template, await shop.api(method, path))
  })

  test('and what fails', async () => {
    for (const name of ['blue1', 'blue2'] as const) shop.server(name).health = 503
    let failing = await shop.api('GET', '/health')
    while (failing.status !== 503) failing = await shop.api('GET', '/health')
    await expectDescribed('GET', '/health', '/health', failing)
  })
})

test('the page to try it loads, with everything it needs, from here', async () => {
  const load = async (path: string) => {
    const response = await fetch(`${shop.cutover.admin}${path}`)
    expect([path, response.status]).toEqual([path, 200])
    return { text: await response.text(), headers: response.headers, url: response.url }
  }
  const page = await load('/docs')
  expect(page.headers.get('content-type')).toMatch(/^text\/html/)
  expect(page.headers.get('content-security-policy')).toContain("default-src 'self'")
  const parts = [...page.text.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, link = '']) => new URL(link, page.url))
  expect(parts.length).toBeGreaterThan(4)
  for (const { origin, pathname } of parts) {
    expect(origin).toBe(shop.cutover.admin)
    const { headers } = await load(pathname)
    expect(headers.get('content-type')).toMatch(/css|javascript|image/)
  }
  const initializer = parts.find(({ pathname }) => pathname.endsWith('initializer.js'))
  expect((await load(initializer?.pathname ?? '')).text).toContain("resolveUrl('./json')")
  expect(JSON.parse((await load('/docs/json')).text)).toEqual(await document())
})
