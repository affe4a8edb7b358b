import { Compile } from 'typebox/schema'
import { describe, expect, test } from 'vitest'
import type { Answer } from '../support/cutover.ts'
import { until } from '../support/until.ts'
import { useShop } from './support.ts'

const shop = useShop({ proxy: { workers: 1 }, admin: { preview: '127.0.0.1:0' } })

interface Response {
  readonly headers?: object
  readonly content?: Readonly<Record<string, { readonly schema: object }>>
}
interface Operation {
  readonly responses: Readonly<Record<string, Response>>
}
interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly components: { readonly schemas: object }
}

const document = async (): Promise<Document> => shop.done('GET', '/api/openapi.json')

/** The schema of an answer with nothing in it that is not described. */
function strict(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(strict)
  if (typeof schema !== 'object' || schema === null) return schema
  const entries = Object.entries(schema).map(([key, value]) => [key, strict(value)])
  const isClosed = 'properties' in schema && !('additionalProperties' in schema)
  return Object.fromEntries(isClosed ? [...entries, ['additionalProperties', false]] : entries)
}

/** Statuses that an operation lists by themselves where it answers with them; other problems are its `default`. */
const LISTED = [200, 201, 202, 412, 422, 504]

async function expectDescribed(route: string, answer: Answer): Promise<void> {
  const [method = '', path = ''] = route.split(' ')
  const { paths, components } = await document()
  const responses = paths[path]?.[method.toLowerCase()]?.responses ?? {}
  const { status } = answer
  if (LISTED.includes(status)) expect(Object.keys(responses)).toContain(`${status}`)
  const { content, headers = {} } = responses[`${status}`] ?? responses.default ?? {}
  // What is passed on, and the figures for Prometheus, are no JSON of ours.
  if (status === 200 && content === undefined) return
  const type = (answer.headers.get('content-type') ?? '').replace(/;.*/, '')
  const schema = content?.[type]?.schema
  expect([route, type, typeof schema]).toEqual([route, type, 'object'])
  const whole = strict({ ...schema, components: { schemas: components.schemas } })
  const [isValid, errors] = Compile(whole as object).Errors(answer.body)
  expect([route, isValid ? [] : errors]).toEqual([route, []])
  if (status < 300) expect([route, answer.headers.has('etag')]).toEqual([route, 'ETag' in headers])
}

const SERVICE = '/api/services/{service}'
const POOL = `${SERVICE}/pools/{pool}`
const ROLLOUTS = `${SERVICE}/rollouts`
const ROLLOUT_VERBS = ['pause', 'resume', 'promote', 'skip', 'back', 'abort', 'retry'] as const
const NOWHERE = 'http://127.0.0.1:1'
const STANDBY = { version: '2', servers: { other1: NOWHERE } }

/** A call of every route: its method and template, the status, what to ask for, and the body. */
const CALLS: readonly (readonly [string, number, string, object?])[] = [
  ['GET /api/services', 200, '/api/services'],
  [`GET ${SERVICE}`, 200, '/api/services/shop'],
  [`PUT ${SERVICE}`, 200, '/api/services/other', { hosts: ['other.test'], pools: { a: STANDBY } }],
  [`PATCH ${SERVICE}`, 200, '/api/services/shop', { balance: 'roundRobin' }],
  [`DELETE ${SERVICE}`, 200, '/api/services/shop?force'],
  [`GET ${SERVICE}/definition`, 200, '/api/services/shop/definition'],
  [`GET ${SERVICE}/history`, 200, '/api/services/shop/history'],
  [`PUT ${POOL}`, 200, '/api/services/shop/pools/green', STANDBY],
  [`DELETE ${POOL}`, 200, '/api/services/shop/pools/green?wait=20s'],
  [`PUT ${POOL}/servers/{server}`, 200, '/api/services/shop/pools/green/servers/green9', { url: NOWHERE }],
  [`DELETE ${POOL}/servers/{server}`, 200, '/api/services/shop/pools/green/servers/green1?wait=20s'],
  [`POST ${SERVICE}/switch`, 200, '/api/services/shop/switch?wait=20s'],
  [`POST ${SERVICE}/shift`, 200, '/api/services/shop/shift', { to: 'green', percent: 5 }],
  [`POST ${SERVICE}/rollback`, 409, '/api/services/shop/rollback'],
  [`POST ${SERVICE}/deploy`, 504, '/api/services/shop/deploy', { servers: { green9: NOWHERE }, timeout: '100ms' }],
  [`GET ${ROLLOUTS}`, 200, '/api/services/shop/rollouts'],
  [`POST ${ROLLOUTS}`, 200, '/api/services/shop/rollouts?dryRun', { to: 'green' }],
  [`GET ${ROLLOUTS}/{id}`, 404, '/api/services/shop/rollouts/r0'],
  ...ROLLOUT_VERBS.map(
    (verb) => [`POST ${ROLLOUTS}/{id}/${verb}`, 404, `/api/services/shop/rollouts/r0/${verb}`] as const,
  ),
  [`POST ${ROLLOUTS}/{id}/setWeight`, 404, '/api/services/shop/rollouts/r0/setWeight', { percent: 5 }],
  [`POST ${ROLLOUTS}/{id}/gates/{gate}/approve`, 404, '/api/services/shop/rollouts/r0/gates/qa/approve'],
  [`POST ${ROLLOUTS}/{id}/gates/{gate}/reject`, 404, '/api/services/shop/rollouts/r0/gates/qa/reject'],
  [`POST ${ROLLOUTS}/{id}/gates/{gate}/links`, 404, '/api/services/shop/rollouts/r0/gates/qa/links'],
  [`POST ${SERVICE}/freeze`, 200, '/api/services/shop/freeze', { reason: 'black friday' }],
  [`POST ${SERVICE}/unfreeze`, 200, '/api/services/shop/unfreeze'],
  [`GET ${SERVICE}/explain`, 200, '/api/services/shop/explain?header=x-a:1'],
  ['GET /api/explain', 200, '/api/explain?host=shop.test&path=/cart'],
  ['GET /api/stats', 200, '/api/stats?window=10s&service=shop'],
  [`GET ${SERVICE}/series`, 200, '/api/services/shop/series?window=2m'],
  ['GET /api/whoami', 200, '/api/whoami'],
  [`POST ${SERVICE}/pause`, 200, '/api/services/shop/pause?wait=5s', { for: '5s' }],
  [`POST ${SERVICE}/stop`, 200, '/api/services/shop/stop', { message: 'Back soon.' }],
  [`POST ${SERVICE}/resume`, 200, '/api/services/shop/resume?wait=5s'],
  ['GET /api/servers', 200, '/api/servers'],
  ['GET /api/servers/{server}', 200, '/api/servers/blue1'],
  ['PATCH /api/servers/{server}', 200, '/api/servers/blue1', { weight: 2 }],
  ['POST /api/servers/{server}/disable', 200, '/api/servers/blue1/disable?wait=20s'],
  ['POST /api/servers/{server}/drain', 200, '/api/servers/blue1/drain?wait=20s'],
  ['POST /api/servers/{server}/enable', 200, '/api/servers/blue1/enable'],
  ['GET /api/config', 200, '/api/config'],
  ['POST /api/config/reload', 200, '/api/config/reload'],
  ['GET /api/certificates', 200, '/api/certificates'],
  ['POST /api/certificates/renew', 404, '/api/certificates/renew'],
  ['GET /api/instances', 200, '/api/instances'],
  ['GET /api/instances/{id}', 200, '/api/instances/ID'],
  ['DELETE /api/instances/{id}', 409, '/api/instances/ID'],
  ['GET /api/instances/{id}/{path}', 200, '/api/instances/ID/services'],
  ['POST /api/instances/{id}/{path}', 200, '/api/instances/ID/services/shop/switch'],
  ['GET /api/overrides', 200, '/api/overrides'],
  ['DELETE /api/overrides', 200, '/api/overrides'],
  ['POST /api/workers/restart', 202, '/api/workers/restart'],
  ['POST /api/workers/restart', 200, '/api/workers/restart?wait=20s'],
  ['GET /healthz', 200, '/healthz'],
  ['GET /health', 200, '/health'],
  ['GET /ready', 200, '/ready'],
  ['GET /metrics', 200, '/metrics'],
  [`POST ${POOL}/preview`, 200, '/api/services/shop/pools/green/preview'],
  ['GET /preview/{service}/{pool}/{path}', 200, '/preview/shop/green/'],
  ['POST /preview/{service}/{pool}/{path}', 200, '/preview/shop/green/'],
]

/** What is refused, and the header fields it is asked with. */
const REFUSALS: readonly (readonly [string, number, string, object?, Record<string, string>?])[] = [
  [`GET ${SERVICE}`, 404, '/api/services/nothing'],
  ['GET /api/servers/{server}', 404, '/api/servers/nothing'],
  ['GET /api/instances/{id}', 404, '/api/instances/nothing'],
  ['GET /api/instances/{id}/{path}', 404, '/api/instances/nothing/services'],
  ['GET /preview/{service}/{pool}/{path}', 404, '/preview/shop/nothing/'],
  [`DELETE ${POOL}`, 409, '/api/services/shop/pools/blue'],
  [`POST ${SERVICE}/switch`, 400, '/api/services/shop/switch', {}, { 'if-match': 'x' }],
  [`PATCH ${SERVICE}`, 412, '/api/services/shop', { balance: 'roundRobin' }, { 'if-match': '"0"' }],
  ['POST /api/servers/{server}/drain', 412, '/api/servers/blue1/drain', {}, { 'if-match': '"0"' }],
  [`POST ${SERVICE}/switch`, 422, '/api/services/shop/switch?x'],
  [`POST ${SERVICE}/shift`, 422, '/api/services/shop/shift', { to: 'green' }],
  [`PUT ${SERVICE}`, 422, '/api/services/shop', { pools: {} }],
]

test('every route in the document is called here', async () => {
  const named = Object.entries((await document()).paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  )
  const called = new Set(CALLS.map(([route]) => route))
  // What is passed on takes any method. Events have no end: events.test.ts compares them with their schema.
  const isCalled = (route: string) => called.has(route) || route === 'GET /api/events' || route.endsWith('{path}')
  expect(named.filter((route) => !isCalled(route))).toEqual([])
})

describe('describes the actual answers:', () => {
  const ask = async (route: string, path: string, body?: object, headers: Record<string, string> = {}) => {
    const { id } = (await shop.done('GET', '/api/instances')).instances[0]
    return shop.api(route.split(' ')[0] ?? '', path.replace('ID', id), body, headers)
  }

  test.for(CALLS)('%s: %i', async ([route, status, path, body]) => {
    const answer = await ask(route, path, body)
    expect([route, answer.status, answer.body.title === undefined]).toEqual([route, status, status < 300])
    await expectDescribed(route, answer)
  })

  test.for(REFUSALS)('%s: %i', async ([route, status, path, body, headers]) => {
    const answer = await ask(route, path, body, headers)
    expect([route, answer.status]).toEqual([route, status])
    await expectDescribed(route, answer)
  })

  test('what is missing after a wait, and a change that was overtaken', async () => {
    const asked = () => shop.server('blue1').requests.length + shop.server('blue2').requests.length
    const before = asked()
    const held = shop.ask('/hold')
    await until(() => asked() > before)
    const late = await shop.api('POST', '/api/services/shop/switch?wait=500ms')
    expect([late.status, late.body.missing.underWay.length]).toEqual([504, 1])
    await expectDescribed(`POST ${SERVICE}/switch`, late)

    await shop.done('POST', '/api/services/shop/switch', { to: 'blue' })
    const waiting = shop.api('POST', '/api/services/shop/switch?wait=20s', { to: 'green' })
    await until(async () => (await shop.view()).split.green === 100)
    await shop.done('POST', '/api/services/shop/switch', { to: 'blue' })
    const overtaken = await waiting
    shop.held.release()
    await held
    expect([overtaken.status, overtaken.body.reopened]).toEqual([409, ['blue']])
    await expectDescribed(`POST ${SERVICE}/switch`, overtaken)
  })

  test('a deploy: done, done with requests in flight, running, refused, late', async () => {
    const route = `POST ${SERVICE}/deploy`
    const path = '/api/services/shop/deploy'
    const to = (name: 'blue1' | 'green1') => ({ servers: { [name]: shop.server(name).url }, timeout: '20s' })
    const done = await shop.api('POST', path, to('green1'))
    expect([done.status, done.body.drained]).toEqual([200, ['blue']])
    await expectDescribed(route, done)

    const held = [shop.ask('/hold')]
    await until(() => shop.server('green1').requests.length > 0)
    const busy = await shop.api('POST', path, { ...to('blue1'), timeout: '1s' })
    expect([busy.status, busy.body.missing?.underWay]).toEqual([200, [{ name: 'green', inFlight: 1 }]])
    await expectDescribed(route, busy)
    held.push(shop.ask('/hold'))
    await until(() => shop.server('blue1').requests.length > 0)
    const late = await shop.api('POST', `${path}?wait=500ms`, { pool: 'violet', ...to('green1') })
    expect([late.status, late.body.missing?.underWay]).toEqual([504, [{ name: 'blue', inFlight: 1 }]])
    await expectDescribed(route, late)
    shop.held.release()
    await Promise.all(held)

    const slow = shop.api('POST', path, { pool: 'green', servers: { green9: NOWHERE }, timeout: '20s' })
    await until(async () => (await shop.view()).deploying)
    await expectDescribed(`GET ${SERVICE}`, await shop.api('GET', '/api/services/shop'))
    const second = await shop.api('POST', path, { pool: 'green', ...to('green1') })
    expect(second.status).toBe(409)
    await expectDescribed(route, second)
    await shop.done('POST', path, { ...to('green1'), replace: true })
    const replaced = await slow
    expect([replaced.status, replaced.body.title]).toEqual([409, 'Replaced by another deploy'])
    await expectDescribed(route, replaced)
  })

  test('a rollout: begun, shown, paused, refused, aborted', async () => {
    const path = '/api/services/shop/rollouts'
    const begun = await shop.api('POST', path, { to: 'green', steps: [{ pause: {} }] })
    expect([begun.status, begun.headers.get('location')]).toEqual([201, `${path}/${begun.body.rollout.id}`])
    await expectDescribed(`POST ${ROLLOUTS}`, begun)
    const at = `${path}/${begun.body.rollout.id}`
    await expectDescribed(`GET ${ROLLOUTS}/{id}`, await shop.api('GET', at))
    await expectDescribed(`GET ${ROLLOUTS}`, await shop.api('GET', path))
    await expectDescribed(`GET ${SERVICE}`, await shop.api('GET', '/api/services/shop'))
    const second = await shop.api('POST', path, { to: 'green' })
    expect(second.status).toBe(409)
    await expectDescribed(`POST ${ROLLOUTS}`, second)
    await until(async () => (await shop.api('GET', at)).body.rollout.reason === 'Gate')
    const links = await shop.api('POST', `${at}/gates/gate-1/links`)
    expect(links.status).toBe(200)
    await expectDescribed(`POST ${ROLLOUTS}/{id}/gates/{gate}/links`, links)
    await expectDescribed(`POST ${ROLLOUTS}/{id}/pause`, await shop.api('POST', `${at}/pause`))
    const aborted = await shop.api('POST', `${at}/abort`, { reason: 'enough' })
    expect([aborted.status, aborted.body.rollout.state]).toEqual([200, 'Aborting'])
    await expectDescribed(`POST ${ROLLOUTS}/{id}/abort`, aborted)
  })

  test('failures', async () => {
    for (const name of ['blue1', 'blue2'] as const) shop.server(name).health = 503
    let failing = await shop.api('GET', '/health')
    while (failing.status !== 503) failing = await shop.api('GET', '/health')
    await expectDescribed('GET /health', failing)
  })
})
