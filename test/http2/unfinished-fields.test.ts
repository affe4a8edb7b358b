import type { Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { block, END_HEADERS, END_STREAM, FRAME, frame, requestFields, uint32 } from '../support/raw-http2.ts'
import { until } from '../support/until.ts'
import { rawClient, startHttp2, upstream } from './support.ts'

const LAST = 2 ** 31 - 1
const WINDOW = Buffer.concat([Buffer.from([0, 4]), uint32(LAST)])
/** More than the buffers of the kernel hold. */
const BODY = Buffer.alloc(20_000_000)
/** Trailers that go on in a CONTINUATION, which never comes. */
const BEGUN = block([['x-trailer', 'value'.repeat(20)]])
/** Has each process collect its garbage all the time. */
const COLLECTING = { NODE_OPTIONS: '--expose-gc --import data:text/javascript,setInterval(gc,200).unref()' }

test('a client that takes nothing, and leaves within its trailers, does not end the worker', async () => {
  let sending: Socket | null = null
  const server = await upstream((request, response) => {
    sending = request.socket
    response.end(BODY)
  })
  const cutover = await startHttp2({ app: { servers: [server] } }, { proxy: { workers: 1 }, env: COLLECTING })
  const raw = await rawClient(cutover, WINDOW)
  raw.send(frame(FRAME.windowUpdate, 0, 0, uint32(LAST - 65_535)))
  raw.socket.pause()
  raw.request(1, requestFields('/app/', 'POST'), END_HEADERS)
  const unsent: number[] = []
  await until(() => {
    unsent.push(sending?.writableLength ?? 0)
    return unsent.length > 10 && (unsent.at(-1) ?? 0) > 0 && unsent.at(-1) === unsent.at(-10)
  })
  raw.send(frame(FRAME.headers, END_STREAM, 1, BEGUN))
  await delay(100)
  raw.destroy()
  await until(async () => (await cutover.api('GET', '/api/services')).body.services[0].pools[0].inFlight === 0)
  // Some rounds of the collector.
  await delay(1_000)
  expect(cutover.stderr).toBe('')
  expect((await cutover.api('GET', '/metrics')).body).toMatch(/^cutover_worker_restarts_total 0$/m)
})
