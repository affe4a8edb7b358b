import { afterEach, expect, test } from 'vitest'
import type { Cutover } from '../support/cutover.ts'
import { Load } from '../support/load.ts'
import { RawConnection } from '../support/raw-client.ts'
import { until } from '../support/until.ts'
import { endAll, endWithAll, isAlive, pids, pool, processes, start, upstream } from './support.ts'

afterEach(endAll)

async function launch(): Promise<Cutover> {
  return start({ service: { pools: { blue: pool(await upstream('blue1')) }, health: 'off' } })
}

/** Makes a process hang (SIGSTOP); it is killed at the end of the test. */
function halt(pid: number): void {
  process.kill(pid, 'SIGSTOP')
  endWithAll(() => isAlive(pid) && process.kill(pid, 'SIGKILL'))
}

async function processesPart(cutover: Cutover): Promise<{ status: string; detail: string | null }> {
  return (await cutover.api('GET', '/health')).body.parts.processes
}

/** The statuses of requests on 40 new connections, which the system spreads over the sockets of both workers. */
async function askOnNewConnections(cutover: Cutover): Promise<Set<number>> {
  const asking = Array.from({ length: 40 }, async () => {
    const client = await RawConnection.connect(cutover.proxy)
    endWithAll(() => client.destroy())
    return (await client.ask(['GET / HTTP/1.1', 'host: a', 'connection: close'])).status
  })
  return new Set(await Promise.all(asking))
}

test('a hung worker is named in /health, another worker serves its new connections, and it may recover', async () => {
  const cutover = await launch()
  const before = await pids(cutover, 'worker')
  const [victim] = before as [number]
  halt(victim)
  // Connections that come before the worker is known to be hung wait until then.
  const early = askOnNewConnections(cutover)
  expect(await early).toEqual(new Set([200]))
  await until(async () => (await processesPart(cutover)).status === 'degraded')
  expect((await processesPart(cutover)).detail).toMatch(
    new RegExp(`worker-\\d.\\d+ \\(pid ${victim}\\) does not respond`),
  )
  const hung = (await processes(cutover, 'worker')).filter((each) => 'hung' in each).map(({ pid }) => pid)
  expect(hung).toEqual([victim])
  expect(await askOnNewConnections(cutover)).toEqual(new Set([200]))
  process.kill(victim, 'SIGCONT')
  await until(async () => (await processesPart(cutover)).status === 'ok')
  expect(await pids(cutover, 'worker')).toEqual(before)
  expect(await askOnNewConnections(cutover)).toEqual(new Set([200]))
})

test('a worker that stays hung is replaced', async () => {
  const cutover = await launch()
  const [victim] = await pids(cutover, 'worker')
  halt(victim as number)
  await until(async () => {
    const now = await pids(cutover, 'worker')
    return now.length === 2 && !now.includes(victim as number)
  }, 60_000)
  expect(isAlive(victim as number)).toBe(false)
  expect((await processesPart(cutover)).status).toBe('ok')
  expect(await askOnNewConnections(cutover)).toEqual(new Set([200]))
})

test('a hung control process is replaced, and no request fails', async () => {
  const cutover = await launch()
  const load = new Load({ url: `${cutover.proxy}/`, clients: 5, names: ['blue1'] })
  const [control] = await pids(cutover, 'control')
  halt(control as number)
  await until(() => !isAlive(control as number), 60_000)
  await until(async () => (await cutover.api('GET', '/ready')).status === 200, 60_000)
  await load.more(100)
  expect((await load.stop()).failures).toEqual({})
})
