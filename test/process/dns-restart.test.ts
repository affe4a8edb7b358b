import { expect, test } from 'vitest'
import { Cutover } from '../support/cutover.ts'
import { atEnd } from '../support/endings.ts'
import { Load } from '../support/load.ts'
import { until } from '../support/until.ts'
import { App, dnsServer, serversOf, serviceOf, startWith, upIn } from '../traffic/dns-support.ts'
import { ask } from '../traffic/support.ts'

const [A, B] = ['127.0.5.1', '127.0.5.2'] as const

async function pidsOf(cutover: Cutover, role: string): Promise<number[]> {
  const { body } = await cutover.api('GET', '/api/instances')
  const { processes } = body.instances[0]
  return processes.filter((each: { role: string }) => each.role === role).map(({ pid }: { pid: number }) => pid)
}

test('the control process dies while DNS is away: traffic goes on, and the next one has the addresses', {
  timeout: 180_000,
}, async () => {
  const [dns, app] = [await dnsServer(), await App.start(A, B)]
  dns.records.set('web.test', [A, B])
  const servers = { web: `http://web.test:${app.port}` }
  const cutover = await startWith(dns, servers, {}, { proxy: { workers: 2, accessLog: 'off' } })
  const load = new Load({ url: cutover.proxy, clients: 8, names: [A, B] })
  await load.more(200)
  dns.failures.set('web.test', 'silent')
  const [control = 0] = await pidsOf(cutover, 'control')
  process.kill(control, 'SIGKILL')
  await until(async () => {
    const next = await pidsOf(cutover, 'control').catch(() => [])
    return next.length === 1 && next[0] !== control
  }, 60_000)
  await until(async () => (await upIn(cutover)).length === 2, 60_000)
  await load.more(500)
  const [worker = 0] = await pidsOf(cutover, 'worker')
  const { failed } = await load.stop()
  expect(failed).toBe(0)

  // A worker that begins now gets the addresses from control.
  process.kill(worker, 'SIGKILL')
  await until(async () => {
    const workers = await pidsOf(cutover, 'worker')
    return workers.length === 2 && !workers.includes(worker)
  }, 60_000)
  for (let i = 0; i < 20; i++) expect((await ask(cutover)).status).toBe(200)
})

test('a restart while DNS is away begins with the last addresses', { timeout: 180_000 }, async () => {
  const [dns, app] = [await dnsServer(), await App.start(A, B)]
  dns.records.set('web.test', [A, B])
  const services = { shop: serviceOf({ web: `http://web.test:${app.port}` }) }
  const options = { services, dns: { servers: [dns.address], timeout: '300ms' } }
  const first = await Cutover.start(options)
  atEnd(() => first.stop('SIGKILL'))
  await until(async () => (await upIn(first)).length === 2, 60_000)
  first.process.kill('SIGKILL')
  await first.exited
  dns.failures.set('web.test', 'silent')
  const second = await Cutover.start({ ...options, dataPath: first.dataPath })
  atEnd(() => second.stop('SIGKILL'))
  await until(async () => (await upIn(second)).length === 2, 60_000)
  expect((await ask(second)).status).toBe(200)
  // The start does not wait for lookups of names whose servers are known.
  await until(async () => (await serversOf(second))[`web@${A}`]?.dns?.problem === 'no DNS server answers')
})
