import { Compile } from 'typebox/schema'
import { expect, test } from 'vitest'
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
    readonly schema: { readonly default?: unknown }
  }[]
  readonly requestBody?: {
    readonly required: boolean
    readonly content: Readonly<Record<string, { readonly schema: object; readonly example: object }>>
  }
  readonly responses: Readonly<
    Record<string, { readonly description: string; readonly content?: Readonly<Record<string, { schema: object }>> }>
  >
}
interface Document {
  readonly openapi: string
  readonly servers: readonly { readonly url: string }[]
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
GET /api/services/{service}/definition
GET /api/services/{service}/history
PUT /api/services/{service}/pools/{pool}
DELETE /api/services/{service}/pools/{pool}
PUT /api/services/{service}/pools/{pool}/servers/{server}
DELETE /api/services/{service}/pools/{pool}/servers/{server}
POST /api/services/{service}/switch
POST /api/services/{service}/shift
GET /api/explain
GET /api/services/{service}/explain
POST /api/services/{service}/pause
POST /api/services/{service}/resume
POST /api/services/{service}/rollback
POST /api/services/{service}/deploy
POST /api/services/{service}/stop
GET /api/services/{service}/rollouts
POST /api/services/{service}/rollouts
GET /api/services/{service}/rollouts/{id}
POST /api/services/{service}/rollouts/{id}/pause
POST /api/services/{service}/rollouts/{id}/resume
POST /api/services/{service}/rollouts/{id}/promote
POST /api/services/{service}/rollouts/{id}/skip
POST /api/services/{service}/rollouts/{id}/back
POST /api/services/{service}/rollouts/{id}/setWeight
POST /api/services/{service}/rollouts/{id}/abort
POST /api/services/{service}/rollouts/{id}/retry
POST /api/services/{service}/rollouts/{id}/gates/{gate}/approve
POST /api/services/{service}/rollouts/{id}/gates/{gate}/reject
POST /api/services/{service}/rollouts/{id}/gates/{gate}/links
POST /api/services/{service}/freeze
POST /api/services/{service}/unfreeze
GET /api/servers
GET /api/servers/{server}
PATCH /api/servers/{server}
POST /api/servers/{server}/disable
POST /api/servers/{server}/drain
POST /api/servers/{server}/enable
GET /api/config
GET /api/certificates
GET /api/events
GET /api/stats
GET /api/services/{service}/series
GET /api/whoami
GET /api/instances
GET /api/instances/{id}
DELETE /api/instances/{id}
GET /api/overrides
DELETE /api/overrides
POST /api/certificates/renew
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

const EVENTS = '/api/events'

/** Whatever the method. */
const isHandedOn = (route: string) => route.endsWith('/{path}')

test('names every route', async () => {
  const named = operations(await document()).map(({ path, method }) => `${method.toUpperCase()} ${path}`)
  expect(named.filter((route) => !isHandedOn(route)).toSorted()).toEqual(
    ROUTES.filter((route) => !isHandedOn(route)).toSorted(),
  )
  expect(named).toEqual(expect.arrayContaining(ROUTES))
})

test('names only existing routes', async () => {
  for (const { path, method } of operations(await document())) {
    // Events have no end.
    const url = path === EVENTS ? `${path}?types=nothing` : path.replaceAll(/\{\w+\}/g, 'nothing')
    const answer = await send(shop.cutover.admin, { method: method.toUpperCase(), path: url })
    expect([method, path, answer.body.title === 'Not found']).toEqual([method, path, false])
  }
})

test('is a valid OpenAPI 3.1 document', async () => {
  const all = await document()
  expect(all.openapi).toMatch(/^3\.1\.\d$/)
  expect(all.info).toMatchObject({ title: 'Cutover', version: expect.stringMatching(/^\d+\.\d+\.\d+/) })
  // Relative to where the document is: whatever name or proxy it was asked by.
  expect(all.servers.map(({ url }) => url)).toEqual(['/'])
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
    expect(path.replaceAll(/\{\w+\}/g, '')).toMatch(/^\/[a-zA-Z/]*$/)
    expect(inPath.map(({ name }) => name).toSorted()).toEqual(templates.toSorted())
    expect(inPath.every(({ required }) => required === true)).toBe(true)
    for (const { in: where, name, schema } of parameters) {
      expect(['path', 'query', 'header']).toContain(where)
      expect([name, typeof schema]).toEqual([name, 'object'])
    }
    expect(new Set(parameters.map((each) => `${each.in} ${each.name}`)).size).toBe(parameters.length)
    expect(Object.keys(operation.responses)).toEqual(expect.arrayContaining(['200', 'default']))
    for (const [code, { description, content }] of Object.entries(operation.responses)) {
      expect(code).toMatch(/^([1-5]\d\d|default)$/)
      expect(description).toMatch(/\S/)
      if (content !== undefined)
        expect(Object.keys(content)[0]).toMatch(/^(application\/(problem\+)?json|text\/event-stream)$/)
    }
  }
})

test('every schema is valid, and every reference can be resolved', async () => {
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

test('a body is optional if the defaults suffice, and routes without a token are marked', async () => {
  const all = operations(await document())
  for (const { path, method, operation } of all) {
    if (operation.requestBody === undefined) continue
    expect([path, operation.requestBody.required]).toEqual([path, method === 'put' || method === 'patch'])
  }
  const open = all.filter(({ operation }) => operation.security?.length === 0).map(({ path }) => path)
  expect(open).toEqual(['/healthz', '/ready'])
})

test('the page at /docs loads all its parts from this server', async () => {
  const load = async (path: string) => {
    const response = await fetch(`${shop.cutover.admin}${path}`)
    expect([path, response.status]).toEqual([path, 200])
    return { text: await response.text(), headers: response.headers, url: response.url }
  }
  const page = await load('/docs')
  expect(page.headers.get('content-type')).toMatch(/^text\/html/)
  expect(page.headers.get('content-security-policy')).toContain("default-src 'self'")
  // A browser would ask for the scripts by https, which the admin API does not speak.
  expect(page.headers.get('content-security-policy')).not.toContain('upgrade-insecure-requests')
  expect(page.text).toContain('<title>Cutover admin API</title>')
  const parts = [...page.text.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, link = '']) => new URL(link, page.url))
  expect(parts.length).toBeGreaterThan(4)
  for (const { origin, pathname } of parts) {
    expect(origin).toBe(shop.cutover.admin)
    const { headers } = await load(pathname)
    expect(headers.get('content-type')).toMatch(/css|javascript|image/)
  }
  const initializer = parts.find(({ pathname }) => pathname.endsWith('initializer.js'))
  const { text: script } = await load(initializer?.pathname ?? '')
  expect(script).toContain("resolveUrl('./json')")
  const [, logo = ''] = /data:image\/svg\+xml;base64,([\w+/=]+)/.exec(script) ?? []
  expect(Buffer.from(logo, 'base64').toString()).toMatch(/^<svg .*>Cutover<.*<\/svg>$/)
  expect(JSON.parse((await load('/docs/json')).text)).toEqual(await document())
})

test('the values that the page at /docs fills in are accepted', async () => {
  const names: Readonly<Record<string, string>> = {
    ...{ service: 'shop', pool: 'green', server: 'green1' },
    id: (await shop.done('GET', '/api/instances')).instances[0].id,
  }
  for (const { path, method, operation } of operations(await document())) {
    // What is passed on has nothing to fill in, and events have no end.
    if (path.endsWith('{path}') || path === EVENTS) continue
    const filledIn = (operation.parameters ?? []).flatMap(({ in: where, name, schema }) => {
      const given = where === 'query' ? String(schema.default ?? '') : ''
      return given === '' ? [] : [`${name}=${given}`]
    })
    const url = `${path.replaceAll(/\{(\w+)\}/g, (_match, name: string) => names[name] ?? '')}?${filledIn.join('&')}`
    const content = Object.values(operation.requestBody?.content ?? {})[0]
    const { status, body } = await shop.api(method.toUpperCase(), url, content?.example)
    expect([method, url, status, [400, 415, 422].includes(status) ? body : null]).toEqual([method, url, status, null])
    if (method === 'get') continue
    await shop.reset()
    await shop.define()
  }
})

test('header fields of a write are documented: If-Match if it is read, Idempotency-Key for every POST', async () => {
  for (const { path, method, operation } of operations(await document())) {
    if (path.endsWith('{path}')) continue
    const fields = (operation.parameters ?? []).filter((each) => each.in === 'header').map(({ name }) => name)
    const isChange = '504' in operation.responses
    const expected = [...(isChange ? ['If-Match'] : []), ...(method === 'post' ? ['Idempotency-Key'] : [])]
    expect([method, path, fields]).toEqual([method, path, expected])
  }
})
