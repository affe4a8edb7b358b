import { get } from 'node:http'
import { expect, test } from 'vitest'
import { metric } from '../proxy/support.ts'
import { atEnd } from '../support/endings.ts'
import { RawConnection } from '../support/raw-client.ts'
import { figuresOf, requestsByWindow, stats, statsUntilNow } from '../support/stats.ts'
import { until } from '../support/until.ts'
import { define, HEALTH, holding, pool, start, upstream } from './support.ts'

test('windows that follow each other have every request once, by service, pool and server', async () => {
  const servers = await Promise.all(['blue1', 'blue2', 'green1'].map((name) => upstream(name)))
  const [blue1, blue2, green1] = servers as [(typeof servers)[0], (typeof servers)[0], (typeof servers)[0]]
  const pools = { blue: { ...pool(blue1, blue2), version: '1.4' }, green: { ...pool(green1), version: '1.5' } }
  const shop = { pools, split: { blue: 75, green: 25 }, health: HEALTH }
  const cutover = await start({ proxy: { workers: 2 }, services: { shop } })
  let sent = 0
  const until = Date.now() + 11_000
  const client = async (): Promise<void> => {
    while (Date.now() < until) {
      const response = await fetch(`${cutover.proxy}/`)
      await response.text()
      expect(response.status).toBe(200)
      sent++
    }
  }
  await Promise.all(Array.from({ length: 6 }, client))
  const last = await statsUntilNow(cutover)
  const windows = await requestsByWindow(cutover, last.at)
  expect(windows.length).toBeGreaterThan(1)
  expect(windows.reduce((sum, count) => sum + count)).toBe(sent)
  const found = figuresOf(last)
  expect(found).toMatchObject({ requests: sent, errorRate: 0, successRate: 1, inFlight: 0 })
  expect(found.rate).toBeCloseTo((sent * 1_000) / (Date.parse(last.at) - Date.parse(last.from)), 2)
  expect(found.pools.map(({ name, version, requests }) => [name, version, requests])).toEqual([
    ['blue', '1.4', blue1.requests.length + blue2.requests.length],
    ['green', '1.5', green1.requests.length],
  ])
  expect(found.pools.flatMap((each) => each.servers.map(({ name, requests }) => [name, requests]))).toEqual(
    servers.map(({ name, requests }) => [name, requests.length]),
  )
})

test('figures step by step have every request once, by pool and version', async () => {
  const [blue, green] = [await upstream('blue1'), await upstream('green1')]
  const pools = { blue: { ...pool(blue), version: '1.4' }, green: { ...pool(green), version: '1.5' } }
  const cutover = await define('steps', { pools, split: { blue: 50, green: 50 } })
  const series = async () => (await cutover.api('GET', '/api/services/steps/series?window=2m')).body
  await until(async () => (await series()).times.length > 0)
  for (let i = 0; i < 40; i++) await (await fetch(`${cutover.proxy}/`)).text()
  const end = Date.now()
  const {
    times,
    stepSeconds,
    pools: found,
  } = await until(async () => {
    const all = await series()
    return Date.parse(all.times.at(-1)) > end ? all : null
  })
  expect(times.map((at: string) => Date.parse(at) % (stepSeconds * 1_000))).toEqual(times.map(() => 0))
  const requests = found.map(({ name, version, rate }: { name: string; version: string; rate: number[] }) => [
    name,
    version,
    rate.reduce((sum, perSecond) => sum + perSecond * stepSeconds, 0),
  ])
  expect(requests).toEqual([
    ['blue', '1.4', blue.requests.length],
    ['green', '1.5', green.requests.length],
  ])
  const [first] = found
  expect(first.p95.map((ms: number | null) => ms === null)).toEqual(first.rate.map((rate: number) => rate === 0))
  expect(first.errorRate.filter((rate: number | null) => rate !== null && rate > 0)).toEqual([])
  expect((await cutover.api('GET', '/api/services/nobody/series')).status).toBe(404)
  expect((await cutover.api('GET', '/api/services/steps/series?window=3m')).status).toBe(422)
})

test('errors and broken responses are in the error rate; clients that have left are in no rate', async () => {
  const blue = await upstream('blue1', (request, response) => {
    if (request.url === '/503') response.writeHead(503).end()
    else if (request.url === '/broken')
      response.writeHead(200, { 'content-length': '9' }).write('half', () => response.destroy())
    else if (request.url !== '/never') response.end('ok')
  })
  const cutover = await define('errors', { pools: { blue: pool(blue) }, passive: { maxFails: 0 } })
  const ask = (path: string) => fetch(`${cutover.proxy}${path}`).then((response) => response.text())
  for (let i = 0; i < 6; i++) await ask('/')
  await ask('/503')
  await expect(ask('/broken')).rejects.toThrow()
  const leaving = get(`${cutover.proxy}/never`).on('error', () => undefined)
  await blue.arrived(9)
  leaving.destroy()
  // Cutover may notice that the client has left only in the next second.
  const found = await until(async () => {
    const figures = figuresOf(await stats(cutover, 'window=60s&service=errors'), 'errors')
    return figures.requests === 9 ? figures : null
  })
  expect(found).toMatchObject({ requests: 9, errorRate: 2 / 9, successRate: 6 / 9 })
  expect(found.pools[0]?.servers[0]).toMatchObject({ name: 'blue1', requests: 9, errorRate: 2 / 9 })
})

test('a retry counts at the server that failed, and the request at the one that answered', async () => {
  const good = await upstream('good')
  const bad = await upstream('bad', (request) => request.socket.destroy())
  const pools = { blue: { servers: { good: good.url, bad: bad.url } } }
  const cutover = await define('retries', {
    pools,
    balance: 'roundRobin',
    passive: { maxFails: 0 },
    retry: { budget: '100%' },
  })
  for (let i = 0; i < 4; i++) expect((await fetch(`${cutover.proxy}/`)).status).toBe(200)
  const found = figuresOf(await statsUntilNow(cutover, 'window=60s&service=retries'), 'retries')
  expect(found).toMatchObject({ requests: 4, retries: 2, errorRate: 0 })
  expect(found.pools[0]?.servers).toMatchObject([
    { name: 'good', requests: 4, retries: 0 },
    { name: 'bad', requests: 0, retries: 2, errorRate: null, p50: null },
  ])
})

test('what is in flight, queued and held is of this moment', async () => {
  const { handler, release } = holding()
  atEnd(release)
  const blue = await upstream('blue1', handler)
  const connections = { perServer: 2 }
  const cutover = await define('now', { pools: { blue: pool(blue) }, connections, timeouts: { queue: '30s' } })
  const answers = [1, 2, 3].map(() => fetch(`${cutover.proxy}/`))
  await until(async () => figuresOf(await stats(cutover), 'now').queued === 1)
  const found = figuresOf(await stats(cutover), 'now')
  expect(found).toMatchObject({ inFlight: 2, queued: 1, held: 0, requests: 0 })
  expect(found.pools[0]).toMatchObject({ inFlight: 2, queued: 1, servers: [{ name: 'blue1', inFlight: 2, queued: 0 }] })
  await cutover.api('POST', '/api/services/now/pause')
  answers.push(fetch(`${cutover.proxy}/`))
  await until(async () => figuresOf(await stats(cutover), 'now').held === 2)
  await cutover.api('POST', '/api/services/now/resume')
  await until(() => {
    release()
    return blue.requests.length === 4
  })
  release()
  expect((await Promise.all(answers)).map(({ status }) => status)).toEqual([200, 200, 200, 200])
  expect(figuresOf(await stats(cutover), 'now')).toMatchObject({ inFlight: 0, queued: 0, held: 0 })
})

test('copies count at the pool that gets them, and requests without a server at the service', async () => {
  const [blue, green] = [await upstream('blue1'), await upstream('green1')]
  const pools = { blue: pool(blue), green: pool(green) }
  const cutover = await define('copies', { pools, split: { blue: 100 }, mirror: { to: 'green', percent: 100 } })
  await fetch(`${cutover.proxy}/`)
  await green.arrived(1)
  await cutover.api('POST', '/api/services/copies/stop')
  expect((await fetch(`${cutover.proxy}/`)).status).toBe(503)
  const found = figuresOf(await statsUntilNow(cutover, 'window=60s&service=copies'), 'copies')
  expect(found).toMatchObject({ requests: 2, errorRate: 0.5, mirrored: 1 })
  expect(found.pools).toMatchObject([
    { name: 'blue', requests: 1, mirrored: 0 },
    { name: 'green', requests: 0, mirrored: 1, servers: [{ mirrored: 1 }] },
  ])
})

test('the time of a tunnel is no duration of a request', async () => {
  const blue = await upstream('blue1')
  blue.server.on('upgrade', (_request, socket) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: test\r\n\r\n')
    socket.on('data', () => socket.end())
  })
  const cutover = await define('tunnel', { pools: { blue: pool(blue) } })
  const client = await RawConnection.connect(cutover.proxy)
  await client.ask(['GET / HTTP/1.1', 'Host: x', 'Connection: upgrade', 'Upgrade: test'])
  client.send('bye')
  client.destroy()
  const found = await until(async () => {
    const figures = figuresOf(await stats(cutover, 'window=60s&service=tunnel'), 'tunnel')
    return figures.requests === 1 ? figures : null
  })
  expect(found).toMatchObject({ errorRate: 0, p50: null, p99: null })
})

test('quantiles are those of the durations that clients have seen', async () => {
  const blue = await upstream('blue1', (request, response) => {
    setTimeout(() => response.end(), request.url === '/slow' ? 300 : 0)
  })
  const cutover = await define('slow', { pools: { blue: pool(blue) } })
  const paths = Array.from({ length: 40 }, (_, i) => (i % 4 === 0 ? '/slow' : '/'))
  await Promise.all(paths.map((path) => fetch(`${cutover.proxy}${path}`)))
  const { p50, p95, p99 } = figuresOf(await statsUntilNow(cutover, 'window=60s&service=slow'), 'slow')
  expect(p50).toBeLessThan(250)
  expect(p95).toBeGreaterThan(280)
  expect(p99).toBeGreaterThanOrEqual(p95 as number)
})

test('a service with the name of a property that all objects have is counted as any other', async () => {
  const cutover = await define('constructor', { pools: { blue: pool(await upstream('blue1')) } })
  expect((await fetch(`${cutover.proxy}/`)).status).toBe(200)
  const found = figuresOf(await statsUntilNow(cutover, 'window=60s&service=constructor'), 'constructor')
  expect(found).toMatchObject({ requests: 1, inFlight: 0, queued: 0, held: 0 })
  expect(await metric(cutover, 'cutover_held_requests', 'service="constructor"')).toBe(0)
})

test.each([
  ['window=7s', 422, 'window: unknown value "7s" (10s, 60s, 5m, 1h)'],
  ['at=yesterday', 422, 'at: expected a time such as 2026-01-31T12:00:00Z'],
  ['at=2020-01-01T00:00:00Z', 422, 'at: there are figures from '],
  ['service=shp', 404, 'service "shp"'],
  ['scope=local', 422, 'scope'],
])('a wrong query is refused with what to ask instead: %s', async (query, status, detail) => {
  const cutover = await define('wrong', { pools: { blue: pool(await upstream('blue1')) } })
  const answer = await cutover.api('GET', `/api/stats?${query}`)
  expect(answer.status).toBe(status)
  expect(answer.body.detail).toContain(detail)
})
