import { request } from 'node:http'
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest'
import type { Answer, Cutover } from '../support/cutover.ts'
import { until } from '../support/until.ts'
import { Fleet, hold, INSTANCES, instanceView, killWhole, shop, timed } from './support.ts'

const TOKENS = { reader: 'reader-token', operator: 'operator-token', boss: 'boss-token', fleet: 'fleet-token-1' }
const admin = {
  tokens: [
    { name: 'reader', role: 'read', token: TOKENS.reader },
    { name: 'operator', role: 'operate', token: TOKENS.operator },
    { name: 'boss', role: 'admin', token: TOKENS.boss },
  ],
}

let fleet: Fleet
let a: Cutover
let b: Cutover
let c: Cutover
beforeAll(async () => {
  fleet = await Fleet.start()
  ;[a, b, c] = INSTANCES.map((name) => fleet.get(name)) as [Cutover, Cutover, Cutover]
})
afterAll(() => fleet?.stop())

/** Calls an instance through another instance. */
function through(at: Cutover, name: string, method: string, path: string, body?: unknown, headers = {}) {
  return at.api(method, `/api/instances/${name}${path}`, body, headers)
}

function bearer(token: string): { authorization: string } {
  return { authorization: `Bearer ${token}` }
}

/** A call whose path reaches the other side byte for byte; its status and body. */
function exactly(to: string, path: string): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const asking = request(to, { path, method: 'POST' }, (response) => {
      let body = ''
      response.on('data', (chunk: Buffer) => {
        body += chunk.toString()
      })
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }))
    })
    asking.on('error', reject).end()
  })
}

function expectProblem({ status, headers, body }: Answer, expected: number): void {
  expect([status, body.status]).toEqual([expected, expected])
  expect(headers.get('content-type')).toContain('application/problem+json')
}

beforeEach(async (context) => {
  if (!context.task.name.includes('token')) await fleet.reset()
})

test('a request for another instance, by name or id, is answered there', async () => {
  const ids = await Promise.all(INSTANCES.map(async (name) => (await instanceView(a, name)).id as string))
  for (const [i, name] of INSTANCES.entries()) {
    for (const asked of [name, ids[i] ?? '']) {
      const { status, body } = await through(a, asked, 'GET', '/instances')
      expect(status).toBe(200)
      const self = body.instances.find((each: { self: boolean }) => each.self)
      expect([self.name, self.id]).toEqual([name, ids[i]])
    }
  }
  const { status, body } = await a.api('GET', '/api/instances/c')
  expect([status, body.name, body.self]).toEqual([200, 'c', false])
})

test('a call may be handed on by several instances', async () => {
  const { body } = await through(a, 'b', 'GET', '/instances/c/instances/a/instances')
  expect(body.instances.find((each: { self: boolean }) => each.self).name).toBe('a')
})

test('a write through another instance keeps its body and query', async () => {
  const body = { to: 'green', reason: 'from afar' }
  const answer = await through(a, 'b', 'POST', '/services/shop/switch?wait=2s', body)
  expect([answer.status, answer.body.drained]).toEqual([200, ['blue']])
  expect(answer.headers.get('etag')).toBe(`"${answer.body.revision}"`)
  const { history } = (await c.api('GET', '/api/services/shop/history')).body
  expect(history[0]).toMatchObject({ action: 'switch', reason: 'from afar', by: 'local' })
  // Without a body, as curl -X POST sends it.
  const bare = await exactly(a.admin, '/api/instances/b/services/shop/switch?wait=2s')
  expect([bare.status, JSON.parse(bare.body).service.split]).toEqual([200, { blue: 100, green: 0 }])
})

test('?wait= holds through another instance, its 504 included', async () => {
  await hold(fleet, c, 'blue1', 1)
  const { body, status, ms } = await timed(through(a, 'b', 'POST', '/servers/blue1/drain?wait=2s'))
  expect(status).toBe(504)
  expect(body.missing.underWay).toEqual([{ name: 'blue1', inFlight: 1, at: ['c'] }])
  expect(ms).toBeGreaterThan(1_900)
  const waiting = through(a, 'b', 'POST', '/servers/blue1/drain?wait=10s')
  fleet.app.release()
  expect((await waiting).body).toMatchObject({ drained: ['blue1'] })
})

test('errors of the other instance come back unchanged', async () => {
  const unknown = await through(a, 'b', 'GET', '/services/shoop')
  expectProblem(unknown, 404)
  expect(unknown.body).toEqual((await b.api('GET', '/api/services/shoop')).body)
  const { revision } = await shop(a)
  const header = { 'if-match': `"${revision - 1}"` }
  expectProblem(await through(a, 'b', 'POST', '/services/shop/switch', { to: 'green' }, header), 412)
  expectProblem(await through(a, 'b', 'POST', '/services/shop/switch', { to: 'red' }), 404)
  expectProblem(await through(a, 'b', 'POST', '/services/shop/shift', { to: 'green', percent: 101 }), 422)
  expectProblem(await through(a, 'b', 'GET', '/nothing/like/that'), 404)
  const text = { 'content-type': 'text/plain' }
  expectProblem(await through(a, 'b', 'POST', '/services/shop/switch', { to: 'green' }, text), 415)
  const right = { 'if-match': `"${(await shop(a)).revision}"` }
  const { status } = await through(a, 'b', 'POST', '/services/shop/shift', { to: 'green', percent: 5 }, right)
  expect(status).toBe(200)
})

test('a key that was used at one instance is known through another', async () => {
  const key = { 'idempotency-key': 'through-and-through' }
  const first = await b.api('POST', '/api/services/shop/switch', {}, key)
  const again = await through(a, 'c', 'POST', '/services/shop/switch', {}, key)
  expect([again.status, again.headers.get('idempotency-replayed')]).toEqual([200, 'true'])
  expect(again.body).toEqual(first.body)
})

test('an unknown instance is a 404 with the known names', async () => {
  for (const answer of [
    await through(a, 'd', 'GET', '/instances'),
    await through(a, 'd', 'POST', '/services/shop/switch'),
    await a.api('GET', '/api/instances/d'),
  ]) {
    expectProblem(answer, 404)
    expect(answer.body.known.toSorted()).toEqual(['a', 'b', 'c'])
  }
  expect((await shop(b)).split).toEqual({ blue: 100, green: 0 })
})

test('a page of somewhere else gets nothing through another instance either', async () => {
  const answer = await through(a, 'b', 'POST', '/services/shop/switch', {}, { origin: 'http://evil.example' })
  expectProblem(answer, 403)
  expect((await shop(b)).split).toEqual({ blue: 100, green: 0 })
})

test('an instance that is gone is a 502 that says so', async () => {
  const { id } = await instanceView(a, 'c')
  await killWhole(c)
  // Not known to be gone yet: it is tried, and not there.
  expectProblem(await through(a, id, 'GET', '/instances'), 502)
  await until(async () => !(await a.api('GET', `/api/instances/${id}`)).body.live)
  const gone = await through(a, id, 'GET', '/instances')
  expectProblem(gone, 502)
  expect(gone.body.detail).toMatch(/^c was last heard of at .*; it is gone\.$/)
  await fleet.add('c')
  await fleet.settled()
  c = fleet.get('c')
  const there = await through(a, 'c', 'GET', '/services/shop')
  expect([there.status, there.body.detail, a.stderr]).toEqual([200, undefined, expect.anything()])
})

/** Two instances with tokens; `fleetTokens`: of each. */
async function guarded(prefix: string, fleetTokens: readonly (string | undefined)[]): Promise<[Cutover, Cutover]> {
  const start = (name: 'a' | 'b', token: string | undefined): Promise<Cutover> =>
    fleet.add(name, { admin, store: { redis: fleet.redis.url, prefix }, fleet: { name, ...(token && { token }) } })
  const [first, second] = await Promise.all([start('a', fleetTokens[0]), start('b', fleetTokens[1])])
  onTestFinished(async () => {
    await Promise.all([first.stop('SIGKILL'), second.stop('SIGKILL')])
  })
  await until(async () => {
    const views = await Promise.all(
      [first, second].map((each) => each.api('GET', '/api/instances', undefined, bearer(TOKENS.reader))),
    )
    return views.every(
      ({ body }) => body.instances.length === 2 && body.instances.every(({ address }: View) => address),
    )
  })
  return [first, second]
}

interface View {
  readonly address: string
}

test("with a fleet token, the name and role of the caller's token apply at the other instance", async () => {
  const [first, second] = await guarded('with', [TOKENS.fleet, TOKENS.fleet])
  const drain = '/servers/blue1/drain'
  const refused = await through(first, 'b', 'POST', drain, {}, bearer(TOKENS.reader))
  expectProblem(refused, 403)
  expect(refused.body.detail).toContain('The token "reader" has the role "read"')
  expectProblem(await through(first, 'b', 'POST', drain), 401)
  expectProblem(await through(first, 'b', 'POST', drain, {}, bearer('no-such-token')), 401)
  expectProblem(await through(first, 'b', 'GET', '/config', undefined, bearer(TOKENS.operator)), 403)
  const config = await through(first, 'b', 'GET', '/config', undefined, bearer(TOKENS.boss))
  expect([config.status, config.body.detail, first.stderr]).toEqual([200, undefined, expect.anything()])

  expect((await through(first, 'b', 'POST', drain, {}, bearer(TOKENS.operator))).status).toBe(200)
  const { history } = (await through(first, 'b', 'GET', '/services/shop/history', undefined, bearer(TOKENS.reader)))
    .body
  expect(history[0]).toMatchObject({ by: 'operator' })

  // A caller that claims another name gains nothing by it, directly or through another instance.
  const claims = { ...bearer(TOKENS.reader), 'x-cutover-actor': 'boss', 'x-cutover-role': 'admin' }
  expectProblem(await through(first, 'b', 'POST', '/servers/blue1/enable', {}, claims), 403)
  expectProblem(await second.api('POST', '/api/servers/blue1/enable', {}, claims), 403)
  const operator = { ...claims, ...bearer(TOKENS.operator) }
  expect((await through(first, 'b', 'POST', '/servers/blue1/enable', {}, operator)).status).toBe(200)
  expectProblem(await through(first, 'b', 'GET', '/config', undefined, operator), 403)
  const after = await second.api('GET', '/api/services/shop/history', undefined, bearer(TOKENS.reader))
  expect(after.body.history[0]).toMatchObject({ by: 'operator' })
})

test("without a fleet token the caller's own token is passed on", async () => {
  const [first] = await guarded('without', [undefined, undefined])
  expectProblem(await through(first, 'b', 'POST', '/servers/blue1/drain', {}, bearer(TOKENS.reader)), 403)
  expect((await through(first, 'b', 'POST', '/servers/blue1/drain', {}, bearer(TOKENS.operator))).status).toBe(200)
  const { history } = (await first.api('GET', '/api/services/shop/history', undefined, bearer(TOKENS.reader))).body
  expect(history[0]).toMatchObject({ by: 'operator' })
})

test('a fleet token that is another there is a 401', async () => {
  const [first, second] = await guarded('other', [TOKENS.fleet, 'fleet-token-2'])
  expectProblem(await through(first, 'b', 'GET', '/services', undefined, bearer(TOKENS.boss)), 401)
  const forged = { ...bearer(TOKENS.fleet), 'x-cutover-actor': 'boss', 'x-cutover-role': 'admin' }
  expectProblem(await second.api('GET', '/api/services', undefined, forged), 401)
  // The fleet token alone does not identify the caller.
  expectProblem(await first.api('GET', '/api/services', undefined, bearer(TOKENS.fleet)), 401)
})
