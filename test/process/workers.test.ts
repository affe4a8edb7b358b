import type { ServerResponse } from 'node:http'
import { afterEach, expect, test } from 'vitest'
import type { Cutover } from '../support/cutover.ts'
import { Load } from '../support/load.ts'
import { RawConnection } from '../support/raw-client.ts'
import { until } from '../support/until.ts'
import { endAll, endWithAll, isAlive, pool, processes, start, upstream } from './support.ts'

afterEach(endAll)

async function client(cutover: Cutover): Promise<RawConnection> {
  const connection = await RawConnection.connect(cutover.proxy)
  endWithAll(() => connection.destroy())
  return connection
}

const get = (target: string) => [`GET ${target} HTTP/1.1`, 'host: shop.test']

test('an instance is a supervisor, a control process and workers, all on one revision', async () => {
  const cutover = await start({ service: { pools: { blue: pool(await upstream('blue1')) }, health: 'off' } })
  const all = await processes(cutover)
  await until(async () => (await processes(cutover)).length === 4)
  expect((await processes(cutover)).map(({ role }) => role).sort()).toEqual([
    'control',
    'supervisor',
    'worker',
    'worker',
  ])
  for (const { pid, memoryBytes, appliedRevision } of all) {
    expect([isAlive(pid), memoryBytes >= 0, appliedRevision]).toEqual([true, true, 1])
  }
  const { body } = await cutover.api('GET', '/api/instances')
  expect(body.instances[0]).toMatchObject({ self: true, live: true, address: cutover.admin, appliedRevision: 1 })
  await until(async () => (await processes(cutover, 'worker')).every(({ memoryBytes }) => memoryBytes > 10_000_000))
})

test('figures add up over all workers, and connections are spread over them', async () => {
  const servers = [await upstream('blue1'), await upstream('blue2')]
  const cutover = await start({ service: { pools: { blue: pool(...servers) }, health: 'off' } })
  const load = new Load({ url: `${cutover.proxy}/`, clients: 60, names: ['blue1', 'blue2'], requests: 3_000 })
  await load.more(2_000)
  const busy = (await processes(cutover, 'worker')).map(({ connections }) => connections)
  expect(busy.reduce((a, b) => a + b)).toBe(60)
  // The system picks a worker for each connection at random: 5 or fewer of 60 at one worker practically never happen.
  expect(Math.min(...busy)).toBeGreaterThan(5)
  expect((await load.done).failed).toBe(0)
  const { body } = await cutover.api('GET', '/metrics')
  const counted = [...(body as string).matchAll(/^cutover_requests_total\{.*code="200".*\} (\d+)$/gm)]
  expect(counted.reduce((sum, [, count]) => sum + Number(count), 0)).toBe(3_000)
})

test('T11 shares are exact, give or take the number of workers', async () => {
  const [blue, green] = [await upstream('blue1'), await upstream('green1')]
  const service = { pools: { blue: pool(blue), green: pool(green) }, split: { blue: 95, green: 5 }, health: 'off' }
  const cutover = await start({ service })
  const load = new Load({ url: `${cutover.proxy}/`, clients: 20, names: ['blue1', 'green1'], requests: 10_000 })
  const { answers, failed } = await load.done
  expect(failed).toBe(0)
  expect(Math.abs((answers.green1 ?? 0) - 500)).toBeLessThanOrEqual(2)
}, 120_000)

test('a drain waits for the requests in flight in every worker', async () => {
  const held: ServerResponse[] = []
  const blue = await upstream('blue1', (_request, response) => held.push(response))
  const green = await upstream('blue2')
  const cutover = await start({ service: { pools: { blue: pool(blue, green) }, health: 'off', balance: 'roundRobin' } })
  // Enough connections for both workers to hold a request.
  const clients = await Promise.all(Array.from({ length: 40 }, () => client(cutover)))
  const answers = clients.map((each) => each.ask(get('/')))
  await until(
    async () => (await processes(cutover, 'worker')).every(({ inFlight }) => inFlight > 0) && held.length >= 20,
  )
  let drained = false
  const waited = cutover.api('POST', '/api/servers/blue1/disable?wait=20s').then((answer) => {
    drained = true
    return answer
  })
  await until(async () => (await cutover.api('GET', '/api/servers/blue1')).body.servers[0].state === 'drain')
  const last = held.pop()
  for (const response of held) response.end('blue1')
  await until(async () => (await cutover.api('GET', '/api/servers/blue1')).body.servers[0].inFlight === 1)
  expect(drained).toBe(false)
  last?.end('blue1')
  expect((await waited).body).toMatchObject({ drained: ['blue1'], cut: 0 })
  await Promise.all(answers)
  const seen = blue.requests.length
  const load = new Load({ url: `${cutover.proxy}/`, clients: 20, names: ['blue2'], requests: 500 })
  expect((await load.done).failed).toBe(0)
  expect(blue.requests.length).toBe(seen)
})

test('limits are divided among the workers', async () => {
  let under = 0
  let most = 0
  const blue = await upstream('blue1', (_request, response) => {
    most = Math.max(most, ++under)
    setImmediate(() => {
      under--
      response.end('blue1')
    })
  })
  const service = {
    pools: { blue: pool(blue) },
    health: 'off',
    connections: { perServer: 5 },
    timeouts: { queue: '20s' },
  }
  const cutover = await start({ service })
  const load = new Load({ url: `${cutover.proxy}/`, clients: 60, names: ['blue1'], requests: 2_000 })
  expect((await load.done).failed).toBe(0)
  expect(most).toBeLessThanOrEqual(5)
})

test('lines of the access log are whole although several workers write them', async () => {
  const cutover = await start({ service: { pools: { blue: pool(await upstream('blue1')) }, health: 'off' } })
  const load = new Load({
    url: `${cutover.proxy}/${'long/'.repeat(60)}`,
    clients: 60,
    names: ['blue1'],
    requests: 4_000,
  })
  expect((await load.done).failed).toBe(0)
  await until(() => cutover.stdout.split('\n').filter((line) => line.startsWith('{')).length === 4_000)
  // Each line parses, and no request appears twice.
  expect(new Set(cutover.accessLog().map(({ requestId }) => requestId)).size).toBe(4_000)
})
