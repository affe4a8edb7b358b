import { afterEach, expect, test } from 'vitest'
import { connect, endAll, endWithAll, startCutover, upstream } from '../proxy/support.ts'
import type { Cutover } from '../support/cutover.ts'
import { until } from '../support/until.ts'
import { freePort } from '../support/upstream.ts'
import { OtlpReceiver } from './otlp-receiver.ts'
import { startTraced } from './support.ts'

/** Spans of a request with one try. */
const SPANS = 2

afterEach(endAll)

async function send(cutover: Cutover, requests: number): Promise<void> {
  const client = await connect(cutover)
  for (let i = 0; i < requests; i++) {
    expect((await client.ask([`GET /${i} HTTP/1.1`, 'host: app.test'])).status).toBe(200)
  }
  client.socket.destroy()
}

/** Number of spans dropped so far. */
async function dropped(cutover: Cutover): Promise<number> {
  const { body } = await cutover.api('GET', '/metrics')
  return Number(/^cutover_trace_spans_dropped_total (\d+)$/m.exec(body)?.[1])
}

function lines(cutover: Cutover, message: string): number {
  return cutover.stderr.split(message).length - 1
}

test('spans for a receiver that is away are dropped and counted, and sent again once it is there', async () => {
  const port = await freePort()
  const tracing = { endpoint: `http://127.0.0.1:${port}/v1/traces`, sample: 1 }
  const sketches = { app: { servers: [await upstream()] } }
  const cutover = await startCutover(sketches, { telemetry: { tracing } })
  expect(await dropped(cutover)).toBe(0)
  await send(cutover, 10)
  await until(async () => (await dropped(cutover)) === 10 * SPANS, 20_000)
  expect(lines(cutover, 'spans cannot be delivered')).toBe(1)
  expect(cutover.stderr).toContain('ECONNREFUSED')

  const receiver = await OtlpReceiver.start(port)
  endWithAll(() => receiver.close())
  await send(cutover, 5)
  await receiver.until(() => receiver.spans.length === 5 * SPANS)
  await until(() => lines(cutover, 'spans are delivered again') === 1, 5_000)
  expect(await dropped(cutover)).toBe(10 * SPANS)
})

test('spans that a receiver refuses are dropped and counted', async () => {
  const { cutover, receiver } = await startTraced({ app: { servers: [await upstream()] } })
  receiver.conduct = 500
  await send(cutover, 10)
  await until(async () => (await dropped(cutover)) === 10 * SPANS, 10_000)
  expect(receiver.refused).toBe(10 * SPANS)
  expect(cutover.stderr).toContain('500 Internal Server Error')
})

test('a receiver that hangs gets no more than a bounded number of spans, and does not delay the end', async () => {
  const { cutover, receiver } = await startTraced({ app: { servers: [await upstream()] } })
  receiver.conduct = 'hangs'
  const clients = 8
  const each = 400
  await Promise.all(Array.from({ length: clients }, () => send(cutover, each)))
  // 4,096 may wait, of which the first ones are at the receiver; those past that were dropped at once.
  const lost = await dropped(cutover)
  expect(lost).toBeGreaterThanOrEqual(clients * each * SPANS - 4_096)
  const since = performance.now()
  const { code } = await cutover.stop()
  expect(code).toBe(0)
  expect(performance.now() - since).toBeLessThan(5_000)
})

test('the spans of the last requests are sent before the process ends', async () => {
  const { cutover, receiver } = await startTraced({ app: { servers: [await upstream()] } })
  await send(cutover, 300)
  expect(await cutover.stop()).toMatchObject({ code: 0 })
  expect(receiver.spans).toHaveLength(300 * SPANS)
})

test('the header fields and names in the variables of OpenTelemetry are used', async () => {
  const env = {
    OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Bearer%20of-tracing',
    OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=staging',
    OTEL_SERVICE_NAME: 'edge',
  }
  const { cutover, receiver } = await startTraced({ app: { servers: [await upstream()] } }, { env })
  await send(cutover, 1)
  const { request } = await receiver.trace('/0')
  expect(receiver.headers[0]).toMatchObject({
    authorization: 'Bearer of-tracing',
    'content-type': 'application/x-protobuf',
  })
  expect(request.resource).toMatchObject({ 'service.name': 'edge', 'deployment.environment.name': 'staging' })
})
