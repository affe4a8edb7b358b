import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { atEnd } from '../support/endings.ts'
import { block, END_HEADERS, END_STREAM, FRAME, frame, requestFields, uint32 } from '../support/raw-http2.ts'
import { until } from '../support/until.ts'
import { rawClient, startHttp2, upstream } from './support.ts'

const LAST = 2 ** 31 - 1
const WINDOW = Buffer.concat([Buffer.from([0, 4]), uint32(LAST)])
/** More than the buffers of the kernel hold. */
const BODY = Buffer.alloc(20_000_000)
/** Trailers that go on in a CONTINUATION, which never comes. */
const BEGUN = block([['x-trailer', 'value'.repeat(20)]])
/** Has each process collect its garbage all the time, and note each round at the end of a file. */
const COLLECT =
  'setInterval(()=>{gc();process.getBuiltinModule("fs").appendFileSync(process.env.ROUNDS,".")},200).unref()'

/** Bytes of the connection with this port of the client that the other side has not read, as the kernel knows. */
async function unreadFrom(port: number): Promise<number> {
  const sockets = (await readFile('/proc/net/tcp', 'utf8')).split('\n').map((line) => line.trim().split(/\s+/))
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  const [, , , , queues = ''] = sockets.find(([, , remote]) => remote?.endsWith(suffix)) ?? []
  return Number.parseInt(queues.split(':')[1] ?? '', 16)
}

test('a client that takes nothing, and leaves within its trailers, does not end the worker', async () => {
  let sending: Socket | null = null
  const server = await upstream((request, response) => {
    sending = request.socket
    response.end(BODY)
  })
  const folder = await mkdtemp(join(tmpdir(), 'cutover-collected-'))
  atEnd(() => rm(folder, { recursive: true, force: true }))
  const rounds = join(folder, 'rounds')
  const NODE_OPTIONS = `--expose-gc --import data:text/javascript,${encodeURIComponent(COLLECT)}`
  const env = { NODE_OPTIONS, ROUNDS: rounds }
  const cutover = await startHttp2({ app: { servers: [server] } }, { proxy: { workers: 1 }, env })
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
  // A reset would discard what the proxy has not read yet.
  await until(async () => (await unreadFrom(raw.socket.localPort ?? 0)) === 0)
  raw.destroy()
  await until(async () => (await cutover.api('GET', '/api/services')).body.services[0].pools[0].inFlight === 0)
  const before = (await stat(rounds)).size
  // Some rounds in each of the three processes.
  await until(async () => (await stat(rounds)).size > before + 15)
  expect(cutover.stderr).toBe('')
  expect((await cutover.api('GET', '/metrics')).body).toMatch(/^cutover_worker_restarts_total 0$/m)
})
