import { afterAll, beforeAll, expect, test } from 'vitest'
import { Cutover, type CutoverOptions } from '../support/cutover.ts'
import { until } from '../support/until.ts'
import { OtlpReceiver } from '../tracing/otlp-receiver.ts'
import { endAll, endWithAll, pids, pool, upstream } from './support.ts'

let cutover: Cutover
let receiver: OtlpReceiver
let options: CutoverOptions

beforeAll(async () => {
  receiver = await OtlpReceiver.start()
  endWithAll(() => receiver.close())
  options = {
    services: { shop: { pools: { blue: pool(await upstream('blue1')) }, health: 'off' } },
    proxy: { workers: 2 },
    telemetry: { tracing: { endpoint: receiver.endpoint, sample: 1 } },
  }
  cutover = await Cutover.start(options)
  endWithAll(() => cutover.stop('SIGKILL'))
})

afterAll(endAll)

/** Sends requests, each over a connection of its own. */
async function send(paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    const response = await fetch(`${cutover.proxy}${path}`, { headers: { connection: 'close' } })
    await response.arrayBuffer()
    expect(response.status).toBe(200)
  }
}

test('each worker sends the spans of its requests by itself', async () => {
  const workers = await pids(cutover, 'worker')
  const seen = new Set<unknown>()
  for (let i = 0; seen.size < 2; i++) {
    await send([`/each/${i}`])
    const { request, tries } = await receiver.trace(`/each/${i}`)
    expect(workers).toContain(request.resource['process.pid'])
    expect(tries[0]?.resource).toEqual(request.resource)
    seen.add(request.resource['process.pid'])
  }
})

test('a reload says that other settings of tracing need a restart', async () => {
  await cutover.configure({ ...options, telemetry: { tracing: { endpoint: receiver.endpoint, sample: 0.5 } } })
  const { body } = await cutover.api('POST', '/api/config/reload')
  await cutover.configure(options)
  expect(body.needRestart).toEqual(['telemetry.tracing'])
})

test('a worker that is replaced sends its last spans, and its successor goes on', async () => {
  const before = await pids(cutover, 'worker')
  const paths = Array.from({ length: 20 }, (_, i) => `/replaced/${i}`)
  await send(paths)
  cutover.process.kill('SIGUSR2')
  await until(async () => (await pids(cutover, 'worker')).every((pid) => !before.includes(pid)))
  for (const path of paths) await receiver.trace(path)
  await send(['/after'])
  expect(before).not.toContain((await receiver.trace('/after')).request.resource['process.pid'])
})

test('what workers drop is counted for the instance, and stays in the sum when they are replaced', async () => {
  receiver.conduct = 400
  await send(Array.from({ length: 20 }, (_, i) => `/refused/${i}`))
  const dropped = async () => {
    const { body } = await cutover.api('GET', '/metrics')
    return /^cutover_trace_spans_dropped_total (\d+)$/m.exec(body)?.[1]
  }
  await until(async () => (await dropped()) === '40')
  const before = await pids(cutover, 'worker')
  cutover.process.kill('SIGUSR2')
  await until(async () => (await pids(cutover, 'worker')).every((pid) => !before.includes(pid)))
  expect(await dropped()).toBe('40')
  receiver.conduct = 'takes'
})

test('SIGTERM ends all processes once their spans are sent', async () => {
  const paths = Array.from({ length: 50 }, (_, i) => `/last/${i}`)
  await send(paths)
  expect(await cutover.stop()).toMatchObject({ code: 0 })
  for (const path of paths) expect([path, receiver.find(path)]).not.toEqual([path, null])
})
