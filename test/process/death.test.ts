import type { ServerResponse } from 'node:http'
import { afterEach, expect, test } from 'vitest'
import { Cutover } from '../support/cutover.ts'
import { Load } from '../support/load.ts'
import { patience } from '../support/patience.ts'
import { RawConnection } from '../support/raw-client.ts'
import { until } from '../support/until.ts'
import { endAll, endWithAll, isAlive, pids, pool, processes, start, upstream } from './support.ts'

afterEach(endAll)

test('killing a worker breaks its own connections only, and a new worker serves within a second', async () => {
  const servers = [await upstream('blue1'), await upstream('blue2')]
  const cutover = await start({ service: { pools: { blue: pool(...servers) }, health: 'off' } })
  const load = new Load({ url: `${cutover.proxy}/`, clients: 40, names: ['blue1', 'blue2'] })
  await load.more(1_000)
  const [victim] = (await processes(cutover, 'worker')).filter(({ connections }) => connections > 0)
  if (victim === undefined) throw new Error('no worker has connections')
  const { pid, connections } = victim
  process.kill(pid, 'SIGKILL')
  await until(() => !isAlive(pid))
  const since = performance.now()
  await until(async () => {
    const now = await pids(cutover, 'worker')
    return now.length === 2 && !now.includes(pid)
  })
  expect(performance.now() - since).toBeLessThan(patience(2_000))
  await load.more(500)
  const { failed } = await load.stop()
  expect(failed).toBeGreaterThan(0)
  // Each of its connections had at most one request in flight.
  expect(failed).toBeLessThanOrEqual(connections)
  const { body } = await cutover.api('GET', '/metrics')
  expect(body).toMatch(/^cutover_worker_restarts_total 1$/m)
})

test('new connections are served by the other workers while a worker is missing', async () => {
  const cutover = await start({ service: { pools: { blue: pool(await upstream('blue1')) }, health: 'off' } })
  const [victim] = await pids(cutover, 'worker')
  process.kill(victim as number, 'SIGKILL')
  const answers = Array.from({ length: 40 }, async () => {
    const client = await RawConnection.connect(cutover.proxy)
    endWithAll(() => client.destroy())
    return (await client.ask(['GET / HTTP/1.1', 'host: a'])).status
  })
  // Only a connection that the killed worker had already accepted would break; these come after its death.
  expect(new Set(await Promise.all(answers))).toEqual(new Set([200]))
})

test('a drain does not wait for a worker that died, and the totals of that worker are kept', async () => {
  const held: ServerResponse[] = []
  const blue = await upstream('blue1', (request, response) => {
    if (request.url === '/held') held.push(response)
    else response.end('blue1')
  })
  const green = await upstream('green1')
  const service = { pools: { blue: pool(blue), green: pool(green) }, split: { blue: 100 }, health: 'off' }
  const cutover = await start({ service })
  const load = new Load({ url: `${cutover.proxy}/`, clients: 20, names: ['blue1'], requests: 1_000 })
  await load.done
  // Workers report their counts each second, so these counts are reported before the worker is killed.
  const client = await RawConnection.connect(cutover.proxy)
  endWithAll(() => client.destroy())
  client.send('GET /held HTTP/1.1\r\nhost: a\r\n\r\n')
  await until(() => held.length === 1)
  const waited = cutover.api('POST', '/api/services/shop/switch?wait=20s', { to: 'green' })
  await until(async () => (await cutover.api('GET', '/api/services/shop')).body.split.green === 100)
  const [holder] = (await processes(cutover, 'worker')).filter(({ inFlight }) => inFlight > 0)
  process.kill(holder?.pid as number, 'SIGKILL')
  expect((await waited).body).toMatchObject({ drained: ['blue'] })
  const { body } = await cutover.api('GET', '/metrics')
  const counted = [...(body as string).matchAll(/^cutover_requests_total\{.*pool="blue".*code="200".*\} (\d+)$/gm)]
  expect(counted.reduce((sum, [, count]) => sum + Number(count), 0)).toBe(1_000)
})

test('killing the control process fails no request, and the next one knows its state, history and health', async () => {
  const [blue1, blue2] = [await upstream('blue1'), await upstream('blue2')]
  blue2.health = 503
  const health = { interval: '200ms', fall: 1 }
  const service = { pools: { blue: pool(blue1, blue2), green: pool(blue1) }, split: { blue: 100 }, health }
  const cutover = await start({ service })
  await until(async () => (await cutover.api('GET', '/api/servers/blue2')).body.servers[0].health === 'down')
  await cutover.api('POST', '/api/services/shop/switch', { to: 'green', reason: 'one' })
  await cutover.api('POST', '/api/services/shop/switch', { to: 'blue', reason: 'two' })
  const { body: before } = await cutover.api('GET', '/api/services/shop')
  const { body: history } = await cutover.api('GET', '/api/services/shop/history')
  const load = new Load({ url: `${cutover.proxy}/`, clients: 40, names: ['blue1'] })
  await load.more(500)
  const [control] = await pids(cutover, 'control')
  process.kill(control as number, 'SIGKILL')
  const since = performance.now()
  await until(() => !isAlive(control as number))
  // Asked before the next process runs: the supervisor holds the admin port, so the request waits in the backlog. The
  // first try may still go over a pooled connection to the killed process, and is repeated.
  const ask = () => cutover.api('GET', '/api/services/shop')
  const { status, body: after } = await ask().catch(ask)
  expect(performance.now() - since).toBeLessThan(patience(4_000))
  expect(status).toBe(200)
  const shown = ({ revision, split }: { revision: number; split: object }) => ({ revision, split })
  expect(shown(after)).toEqual(shown(before))
  expect((await cutover.api('GET', '/api/services/shop/history')).body).toEqual(history)
  await until(async () => (await cutover.api('GET', '/ready')).status === 200)
  expect((await cutover.api('GET', '/api/servers/blue2')).body.servers[0].health).toBe('down')
  expect(
    (await cutover.api('GET', '/api/servers/blue1')).body.servers.map((each: { health: string }) => each.health),
  ).toEqual(['up', 'up'])
  await load.more(500)
  const figures = await load.stop()
  expect([figures.failed, Object.keys(figures.answers)]).toEqual([0, ['blue1']])
  expect((await cutover.api('POST', '/api/services/shop/switch?wait=10s', { to: 'green' })).body.drained).toEqual([
    'blue',
  ])
})

test('the next control process keeps a configuration that was reloaded before', async () => {
  const blue = await upstream('blue1')
  const service = { pools: { blue: pool(blue) }, health: 'off' }
  const cutover = await start({ service })
  await cutover.configure({ services: { shop: { ...service, paths: ['/', '/new'] } } })
  cutover.process.kill('SIGHUP')
  await until(async () => (await cutover.api('GET', '/api/services/shop')).body.paths[1] === '/new')
  const [control] = await pids(cutover, 'control')
  process.kill(control as number, 'SIGKILL')
  await until(() => !isAlive(control as number))
  await until(async () => (await cutover.api('GET', '/ready')).status === 200)
  expect((await cutover.api('GET', '/api/services/shop')).body.paths).toEqual(['/', '/new'])
})

test('restarts of a worker that dies at each start are delayed more and more, and /health reports it', async () => {
  const cutover = await start({ service: { pools: { blue: pool(await upstream('blue1')) }, health: 'off' } })
  const [victim, other] = await pids(cutover, 'worker')
  const started = new Set<number>()
  process.kill(victim as number, 'SIGKILL')
  const startAt = performance.now()
  let startedIn5s = 0
  let reported = ''
  await until(async () => {
    for (const pid of await pids(cutover, 'worker')) {
      if (pid === other || pid === victim || started.has(pid)) continue
      started.add(pid)
      process.kill(pid, 'SIGKILL')
    }
    const isOver = performance.now() - startAt > 5_000
    if (!isOver) startedIn5s = started.size
    const { parts, status } = (await cutover.api('GET', '/health')).body
    if (/in a row/.test(parts.processes.detail ?? '')) reported = status
    return isOver && reported !== ''
  })
  // Without delays about a dozen workers would start in 5 s; the delays are 0.1, 0.2, 0.4, 0.8 and 1.6 s.
  expect(started.size).toBeGreaterThan(1)
  expect(startedIn5s).toBeLessThan(8)
  expect(reported).toBe('degraded')
  const client = await RawConnection.connect(cutover.proxy)
  endWithAll(() => client.destroy())
  expect((await client.ask(['GET / HTTP/1.1', 'host: a'])).status).toBe(200)
  await until(async () => (await cutover.api('GET', '/health')).body.status === 'ok', 15_000)
})

test('killing the supervisor ends its children and frees the port', async () => {
  const cutover = await start({ service: { pools: { blue: pool(await upstream('blue1')) }, health: 'off' } })
  const children = [...(await pids(cutover, 'worker')), ...(await pids(cutover, 'control'))]
  expect(children.length).toBe(3)
  cutover.process.kill('SIGKILL')
  await cutover.exited
  await until(() => children.every((pid) => !isAlive(pid)))
  await expect(RawConnection.connect(cutover.proxy)).rejects.toThrow(/ECONNREFUSED/)
})

test('the socket of a worker is adopted each time the worker dies', async () => {
  const cutover = await start({ service: { pools: { blue: pool(await upstream('blue1')) }, health: 'off' } })
  const statuses = new Set<number>()
  for (let death = 1; death <= 4; death++) {
    const [victim] = await pids(cutover, 'worker')
    process.kill(victim as number, 'SIGKILL')
    await until(() => !isAlive(victim as number))
    for (let i = 0; i < 30; i++) {
      const client = await RawConnection.connect(cutover.proxy)
      const answer = client.ask(['GET / HTTP/1.1', 'host: a', 'connection: close'])
      // A connection that reaches the socket before its adoption waits in the backlog for a moment.
      statuses.add((await answer).status)
      client.destroy()
    }
    await until(async () => (await pids(cutover, 'worker')).length === 2)
  }
  expect(statuses).toEqual(new Set([200]))
})

test('an instance that was killed starts again at once on the same port and store', async () => {
  const service = { pools: { blue: pool(await upstream('blue1')) }, health: 'off' }
  const first = await start({ service })
  await first.api('PATCH', '/api/servers/blue1', { weight: 7 })
  first.process.kill('SIGKILL')
  const again = await Cutover.start({
    services: { shop: service },
    dataPath: first.dataPath,
    proxy: { workers: 2, listen: new URL(first.proxy).host },
    admin: { listen: new URL(first.admin).host },
  })
  endWithAll(() => again.stop('SIGKILL'))
  expect((await again.api('GET', '/api/servers/blue1')).body.servers[0].weight).toBe(7)
})
