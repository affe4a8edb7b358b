import { afterEach, beforeEach, expect, test } from 'vitest'
import { CertificateFolder } from '../support/certificate-folder.ts'
import { Cutover } from '../support/cutover.ts'
import { Load } from '../support/load.ts'
import { processesOf } from '../support/processes.ts'
import { until } from '../support/until.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'
import { AUTHORITY } from './support.ts'

let cutover: Cutover
let folder: CertificateFolder
let servers: Upstream[]
let load: Load
beforeEach(async () => {
  folder = await CertificateFolder.create()
  servers = [await startUpstream(undefined, { name: 'blue' }), await startUpstream(undefined, { name: 'green' })]
  const [blue, green] = servers.map(({ url }) => url)
  cutover = await Cutover.start({
    proxy: {
      workers: 2,
      listen: { address: '127.0.0.1:0', tls: { certificates: [await folder.put('a', AUTHORITY.issue())] } },
    },
    shutdown: { timeout: '20s' },
    services: {
      shop: {
        pools: { blue: { servers: { blue1: blue } }, green: { servers: { green1: green } } },
        split: { blue: 100 },
        health: { interval: '100ms' },
      },
    },
  })
  await until(async () => (await cutover.api('GET', '/ready')).status === 200)
  load = new Load({ url: `${cutover.proxy}/`, clients: 30, pauseMs: 0, names: ['blue', 'green'], ca: AUTHORITY.cert })
  await load.more(300)
})
afterEach(async () => {
  await cutover.stop()
  await Promise.all(servers.map((server) => server.close()))
  await folder.remove()
})

test('switches under https load fail no request, and drained pools see none', async () => {
  for (let i = 0; i < 10; i++) {
    const { status, body } = await cutover.api('POST', '/api/services/shop/switch?wait=10s', {})
    expect([status, body.drained?.length]).toEqual([200, 1])
    await load.more(50)
  }
  const figures = await load.stop()
  expect(figures.failures).toEqual({})
  expect(figures.answers.blue).toBeGreaterThan(0)
  expect(figures.answers.green).toBeGreaterThan(0)
})

test('SIGUSR2 replaces the workers under https load, and no request or handshake fails', async () => {
  const pid = cutover.process.pid as number
  const workers = () => processesOf(pid).filter(({ role }) => role === 'worker')
  const before = new Set(workers().map((each) => each.pid))
  cutover.process.kill('SIGUSR2')
  await until(() => workers().length === 2 && workers().every((each) => !before.has(each.pid)), 60_000)
  await load.more(300)
  expect((await load.stop()).failures).toEqual({})
  const { body } = await cutover.api('GET', '/metrics')
  const outcomes = [...body.matchAll(/^cutover_tls_handshakes_total\{.*outcome="(\w+)"\}/gm)].map(([, each]) => each)
  expect(new Set(outcomes)).toEqual(new Set(['full']))
})

test('a shutdown under https load fails no request', async () => {
  load.reconnects = false
  cutover.process.kill('SIGTERM')
  const figures = await load.done
  expect(figures.failures).toEqual({})
  expect(await cutover.exited).toEqual({ code: 0, signal: null })
})
