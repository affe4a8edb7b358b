import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import type { Cutover } from '../support/cutover.ts'
import { Load } from '../support/load.ts'
import { until } from '../support/until.ts'
import type { Upstream } from '../support/upstream.ts'
import { ask, expectNoneFailed, HEALTH, holding, pool, raw, start, upstream } from './support.ts'
import { dial, echoing } from './websocket-peers.ts'

const NAMES = ['blue1', 'blue2']

const shop = (...servers: readonly Upstream[]) => ({ shop: { pools: { blue: pool(...servers) }, health: HEALTH } })

/** Resolves once standard error matches. */
async function logged(cutover: Cutover, pattern: RegExp): Promise<string> {
  for (;;) {
    const match = pattern.exec(cutover.stderr)
    if (match !== null) return match[0]
    await once(cutover.process.stderr as NodeJS.ReadableStream, 'data')
  }
}

async function ready(cutover: Cutover): Promise<number> {
  return (await cutover.api('GET', '/ready')).status
}

test('T19 SIGTERM under load: not ready at once, new connections still accepted, no request lost, exit 0', async () => {
  const servers = [await upstream('blue1'), await upstream('blue2')]
  const cutover = await start({ services: shop(...servers), shutdown: { acceptFor: '700ms' } })
  expect(await ready(cutover)).toBe(200)
  const load = new Load({ url: `${cutover.proxy}/`, clients: 50, names: NAMES })
  await load.more(500)

  const startedAt = performance.now()
  cutover.process.kill('SIGTERM')
  await until(async () => (await ready(cutover)) === 503)
  // Clients that do not know of it yet are served, and told to close the connection.
  const late = await raw(cutover)
  const answer = await late.ask(['GET / HTTP/1.1', 'Host: x'])
  expect([answer.status, answer.field('connection')]).toEqual([200, 'close'])
  expect(await late.closed()).toBe('fin')
  expect((await cutover.api('GET', '/ready')).body).toMatchObject({ ready: false, reason: 'stopping' })
  // A load balancer that has checked /ready sends no clients here any more.
  load.reconnects = false
  expectNoneFailed(await load.done)
  expect(await cutover.exited).toEqual({ code: 0, signal: null })
  expect(performance.now() - startedAt).toBeGreaterThan(690)
  expect(performance.now() - startedAt).toBeLessThan(10_000)
})

test('T19 SIGTERM without an announcement: clients on connections that they have lose nothing', async () => {
  const servers = [await upstream('blue1'), await upstream('blue2')]
  const cutover = await start({ services: shop(...servers) })
  const load = new Load({ url: `${cutover.proxy}/`, clients: 100, pauseMs: 0, names: NAMES })
  await load.more(1_000)
  load.reconnects = false
  cutover.process.kill('SIGTERM')
  expectNoneFailed(await load.done)
  expect(await cutover.exited).toEqual({ code: 0, signal: null })
})

test('T19 connections in the backlog when the signal comes are served', async () => {
  const cutover = await start({ services: shop(await upstream('blue1')) })
  // While it stands still, connections are made and requests sent all the same.
  cutover.process.kill('SIGSTOP')
  const clients = await Promise.all(Array.from({ length: 100 }, () => raw(cutover)))
  const answers = clients.map((client) => client.ask(['GET / HTTP/1.1', 'Host: x']))
  cutover.process.kill('SIGTERM')
  cutover.process.kill('SIGCONT')
  for (const { status, text } of await Promise.all(answers)) expect([status, text]).toEqual([200, 'blue1'])
  expect(await cutover.exited).toEqual({ code: 0, signal: null })
})

test('T19 the next request on an idle connection is served, even when it has to wait to be read', async () => {
  const cutover = await start({ services: shop(await upstream('blue1')) })
  const client = await raw(cutover)
  expect((await client.ask(['GET / HTTP/1.1', 'Host: x'])).status).toBe(200)
  const startedAt = performance.now()
  cutover.process.kill('SIGTERM')
  await until(() => performance.now() - startedAt > 300)
  cutover.process.kill('SIGSTOP')
  const asking = client.ask(['GET / HTTP/1.1', 'Host: x'])
  // When it goes on, the connection has been quiet for so long that it would be closed.
  await until(() => performance.now() - startedAt > 1_500)
  cutover.process.kill('SIGCONT')
  const { status, fields } = await asking
  expect([status, fields]).toEqual([200, expect.arrayContaining([['Connection', 'close']])])
  expect(await cutover.exited).toEqual({ code: 0, signal: null })
})

test('T19 requests in flight at SIGTERM finish: a slow answer, a slow upload', async () => {
  const { handler, release } = holding()
  const uploads: string[] = []
  const blue = await upstream('blue1', async (request, response, recorded) => {
    if (request.method === 'GET') return handler(request, response, recorded)
    let body = ''
    for await (const chunk of request) body += chunk
    uploads.push(body)
    response.end('got it')
  })
  const cutover = await start({ services: shop(blue) })
  const slow = ask(cutover)
  const upload = await raw(cutover)
  upload.send('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhello')
  await blue.arrived(2)
  cutover.process.kill('SIGTERM')
  // New connections are refused.
  await until(() =>
    raw(cutover).then(
      () => false,
      () => true,
    ),
  )
  upload.send('world')
  const answer = await upload.response()
  expect([answer.status, answer.text, answer.field('connection'), uploads]).toEqual([
    200,
    'got it',
    'close',
    ['helloworld'],
  ])
  release()
  const { status, body, headers } = await slow
  expect([status, body, headers.get('connection')]).toEqual([200, 'blue1', 'close'])
  expect(await cutover.exited).toEqual({ code: 0, signal: null })
})

test('T19 requests that outlive shutdown.timeout are cut, the log gives their number, and the exit code is still 0', async () => {
  const { handler } = holding()
  const blue = await upstream('blue1', handler)
  const cutover = await start({ services: shop(blue), shutdown: { timeout: '300ms' } })
  const slow = ask(cutover).then(
    ({ status }) => status,
    () => 'broken off',
  )
  await blue.arrived(1)
  const startedAt = performance.now()
  cutover.process.kill('SIGTERM')
  expect(await cutover.exited).toEqual({ code: 0, signal: null })
  expect(performance.now() - startedAt).toBeGreaterThan(290)
  expect(performance.now() - startedAt).toBeLessThan(5_000)
  expect(await slow).not.toBe(200)
  expect(cutover.stderr).toMatch(/"cut":1/)
})

test('T19 idle connections hold nothing up', async () => {
  const blue = await upstream('blue1')
  const cutover = await start({ services: shop(blue) })
  const idle = await raw(cutover)
  expect((await idle.ask(['GET / HTTP/1.1', 'Host: x'])).status).toBe(200)
  const silent = await raw(cutover)
  const startedAt = performance.now()
  cutover.process.kill('SIGINT')
  expect([await idle.closed(), await silent.closed()]).toEqual(['fin', 'fin'])
  expect(await cutover.exited).toEqual({ code: 0, signal: null })
  expect(performance.now() - startedAt).toBeLessThan(5_000)
})

test('T19 WebSockets get 1001 at both ends', async () => {
  const blue = await upstream('blue1')
  const atBlue = echoing(blue)
  const cutover = await start({ services: shop(blue) })
  const clients = [await dial(cutover), await dial(cutover)]
  for (const client of clients) await client.ask('hello')
  const startedAt = performance.now()
  cutover.process.kill('SIGTERM')
  for (const peer of [...clients, ...atBlue]) expect(await peer.closed).toBe(1001)
  expect(await cutover.exited).toEqual({ code: 0, signal: null })
  expect(performance.now() - startedAt).toBeLessThan(5_000)
})

test('T19 a second signal ends it at once, with exit code 1', async () => {
  const { handler } = holding()
  const blue = await upstream('blue1', handler)
  const cutover = await start({ services: shop(blue), shutdown: { timeout: '60s' } })
  const slow = ask(cutover)
  await blue.arrived(1)
  cutover.process.kill('SIGTERM')
  await logged(cutover, /a second signal ends at once/)
  const stoppedAt = performance.now()
  // One that follows at once may be the same key press, which npm has passed on.
  await until(() => {
    cutover.process.kill('SIGINT')
    return cutover.process.exitCode !== null
  })
  expect(await cutover.exited).toEqual({ code: 1, signal: null })
  expect(performance.now() - stoppedAt).toBeLessThan(5_000)
  await expect(slow).rejects.toThrow()
})

test('T19 a key press that arrives twice is one signal', async () => {
  const { handler, release } = holding()
  const blue = await upstream('blue1', handler)
  const cutover = await start({ services: shop(blue) })
  const slow = ask(cutover)
  await blue.arrived(1)
  cutover.process.kill('SIGINT')
  cutover.process.kill('SIGTERM')
  await logged(cutover, /a second signal ends at once/)
  release()
  expect((await slow).status).toBe(200)
  expect(await cutover.exited).toEqual({ code: 0, signal: null })
})

test('T19 SIGHUP with a bad file changes nothing and says why; with a good one it is applied; no request fails', async () => {
  const servers = [await upstream('blue1'), await upstream('blue2')]
  const [blue1, blue2] = servers
  if (blue1 === undefined || blue2 === undefined) throw new Error('no servers')
  const cutover = await start({ services: shop(blue1) })
  const load = new Load({ url: `${cutover.proxy}/`, clients: 20, names: NAMES })
  await load.more(100)
  const before = (await cutover.api('GET', '/api/services')).body

  const bad: readonly (readonly [text: string, reason: RegExp])[] = [
    [JSON.stringify({ services: { shop: { ...shop(blue2).shop, balanse: 'roundRobin' } } }), /services\.shop\.balanse/],
    [JSON.stringify({ services: { shop: { pools: {} } } }), /services\.shop\.pools/],
    ['services: {shop: {', /cutover\.json:1/],
  ]
  for (const [text, reason] of bad) {
    cutover.stderr = ''
    await writeFile(cutover.configFile, text)
    cutover.process.kill('SIGHUP')
    expect(await logged(cutover, /.*was not applied, nothing has changed.*/)).toMatch(reason)
    expect((await cutover.api('GET', '/api/services')).body.revision).toBe(before.revision)
    await load.more(100)
    expect([...load.answers.keys()]).toEqual(['blue1'])
  }
  expect(await ready(cutover)).toBe(200)

  cutover.stderr = ''
  await cutover.configure({ services: shop(blue1, blue2) })
  cutover.process.kill('SIGHUP')
  await logged(cutover, /was applied/)
  await until(() => load.answers.has('blue2'))
  const { history } = (await cutover.api('GET', '/api/services/shop/history')).body
  expect(history[0]).toMatchObject({ by: 'SIGHUP', action: 'configure' })
  // Taking it out again drains it first.
  await cutover.configure({ services: shop(blue2) })
  cutover.process.kill('SIGHUP')
  await until(async () => (await cutover.api('GET', '/api/servers/blue1')).status === 404)
  const seen = blue1.requests.length
  await load.more(200)
  expect(blue1.requests.length - seen).toBeLessThanOrEqual(20)
  expectNoneFailed(await load.stop())
})

test.each([0, 1])(
  'T19 what shutdown.timeout cuts is answered, logged and told from what broke off (%i workers)',
  async (workers) => {
    const blue = await upstream('blue1', (request, response) => {
      if (request.url === '/half') response.writeHead(200, { 'content-length': 10 }).write('half')
    })
    const service = {
      pools: { blue: pool(blue) },
      health: HEALTH,
      connections: { perServer: 3 },
      timeouts: { queue: '60s' },
    }
    const cutover = await start({ services: { shop: service }, proxy: { workers }, shutdown: { timeout: '1s' } })
    const send = async (request: string) => {
      const client = await raw(cutover)
      client.send(`${request} HTTP/1.1\r\nHost: x\r\n`)
      return client
    }
    const silent = (await send('GET /silent')).send('\r\n')
    const half = (await send('GET /half')).send('\r\n')
    const upload = (await send('POST /upload')).send('Content-Length: 10\r\n\r\nhello')
    await blue.arrived(3)
    const queued = (await send('GET /queued')).send('\r\n')
    await until(async () =>
      ((await cutover.api('GET', '/metrics')).body as string).includes('queued_requests{service="shop"} 1'),
    )
    const unread = half.response()
    cutover.process.kill('SIGTERM')
    for (const client of [silent, upload, queued]) {
      const answer = await client.response()
      expect([answer.status, answer.field('connection'), answer.ending]).toEqual([504, 'close', 'framed'])
      expect(answer.field('proxy-status')).toBe('cutover; error=proxy_stopping')
    }
    const broken = await unread
    expect([broken.status, broken.text]).toEqual([200, 'half'])
    expect(broken.ending).not.toBe('framed')
    expect(await cutover.exited).toEqual({ code: 0, signal: null })
    const lines = cutover
      .accessLog()
      .map(({ target, status, bytes, error }) => [target, status, error, (bytes as number) > 0])
    expect(lines.toSorted()).toEqual([
      ['/half', 200, 'proxy_stopping', true],
      ['/queued', 504, 'proxy_stopping', true],
      ['/silent', 504, 'proxy_stopping', true],
      ['/upload', 504, 'proxy_stopping', true],
    ])
    expect(cutover.stderr).toMatch(/"cut":4/)
  },
)
