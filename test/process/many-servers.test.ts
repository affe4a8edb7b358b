import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { Cutover } from '../support/cutover.ts'
import { Load } from '../support/load.ts'
import { until } from '../support/until.ts'
import { endAll, endWithAll, pids } from './support.ts'

const SERVICES = 1_000
const SERVERS = 3

afterEach(endAll)

/** Services with servers at thousands of addresses: a single process listens on all of 127.0.0.0/8. */
async function manyServers() {
  const state = { health: 200 }
  const server = createServer((_request, response) =>
    response.writeHead(state.health, { 'content-length': 4 }).end('well'),
  )
  server.listen({ port: 0, host: '0.0.0.0', backlog: 4_096 })
  await once(server, 'listening')
  endWithAll(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  const url = (i: number): string => `http://127.1.${i >> 8}.${i & 255}:${port}`
  const services = Object.fromEntries(
    Array.from({ length: SERVICES }, (_, service) => {
      const servers = Array.from({ length: SERVERS }, (_, i) => [`n${i}`, url(service * SERVERS + i)])
      const pools = { main: { servers: Object.fromEntries(servers) } }
      return [`s${service}`, { hosts: [`s${service}.test`], pools, health: { interval: '3s', fall: 1 } }]
    }),
  )
  return { state, services }
}

/** CPU time of a process in seconds, which does not depend on the load of the machine. */
function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) / 100
}

/** Number of servers that are up. */
async function up(cutover: Cutover): Promise<number> {
  const { body } = await cutover.api('GET', '/metrics')
  return [...String(body).matchAll(/^cutover_server_up\{.*\} 1$/gm)].length
}

const ALL = SERVICES * SERVERS

test('1,000 services with 3,000 servers start, lose and regain all servers, and survive their control process', async () => {
  const { state, services } = await manyServers()
  const cutover = await Cutover.start({ services, proxy: { workers: 2, accessLog: 'off' } })
  endWithAll(() => cutover.stop('SIGKILL'))
  const [control = 0] = await pids(cutover, 'control')
  await until(async () => (await up(cutover)) === ALL, 60_000)
  // Three times the usual time. It was 20 s when a change of health still cost time for all pools.
  expect(cpuSeconds(control)).toBeLessThan(9)

  for (const [health, expected] of [
    [503, 0],
    [200, ALL],
  ] as const) {
    const before = cpuSeconds(control)
    const since = performance.now()
    state.health = health
    const times: number[] = []
    await until(async () => {
      const askedAt = performance.now()
      await cutover.api('GET', '/healthz')
      times.push(performance.now() - askedAt)
      return performance.now() - since > 4_000 && (await up(cutover)) === expected
    }, 60_000)
    // Probes and the requests of this test take most of the time, at most one core.
    const seconds = (performance.now() - since) / 1_000
    expect(cpuSeconds(control) - before).toBeLessThan(Math.max(6, seconds * 0.9))
    expect(times.sort((a, b) => a - b)[Math.floor(times.length / 2)]).toBeLessThan(500)
  }

  process.kill(control, 'SIGKILL')
  await until(async () => (await pids(cutover, 'control'))[0] !== control, 60_000)
  // The workers have sent the health they know.
  expect(await up(cutover)).toBe(ALL)
  const [next = 0] = await pids(cutover, 'control')
  expect(cpuSeconds(next)).toBeLessThan(6)
  const load = new Load({
    url: `${cutover.proxy}/`,
    clients: 2,
    names: ['well'],
    requests: 20,
    hostHeader: 's999.test',
  })
  expect((await load.done).failures).toEqual({})
}, 180_000)
