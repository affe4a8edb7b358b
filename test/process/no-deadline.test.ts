import type { ServerResponse } from 'node:http'
import { setTimeout } from 'node:timers/promises'
import { afterEach, expect, test } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { RawConnection } from '../support/raw-client.ts'
import { until } from '../support/until.ts'
import type { Upstream } from '../support/upstream.ts'
import { endAll, endWithAll, pids, pool, start, upstream } from './support.ts'

afterEach(endAll)

/** Long enough for several rounds of closing idle connections. */
const ROUNDS_MS = 600

interface Holding {
  readonly blue: Upstream
  readonly held: ServerResponse[]
}

async function holding(): Promise<Holding> {
  const held: ServerResponse[] = []
  const blue = await upstream('blue1', (_request, response) => held.push(response))
  return { blue, held }
}

test.each([0, 2])('with `shutdown.timeout: 0` a request may take any time: workers %i', async (workers) => {
  const { blue, held } = await holding()
  const service = { pools: { blue: pool(blue) }, health: 'off' }
  const cutover = await start({ service, workers, shutdown: { timeout: 0 } })
  const client = await RawConnection.connect(cutover.proxy)
  endWithAll(() => client.destroy())
  const answer = client.ask(['GET / HTTP/1.1', 'host: a'])
  await until(() => held.length === 1)
  cutover.process.kill('SIGTERM')
  await until(() =>
    RawConnection.connect(cutover.proxy).then(
      (late) => {
        late.destroy()
        return false
      },
      () => true,
    ),
  )
  await setTimeout(ROUNDS_MS)
  held[0]?.end('done')
  expect((await answer).text).toBe('done')
  expect(await cutover.exited).toEqual({ code: 0, signal: null })
})

test('with `shutdown.timeout: 0` a replaced worker waits for its requests, even if the control process dies', async () => {
  const { blue, held } = await holding()
  const service = { pools: { blue: pool(blue) }, health: 'off' }
  const cutover = await start({ service, shutdown: { timeout: 0 } })
  const client = await RawConnection.connect(cutover.proxy)
  endWithAll(() => client.destroy())
  const answer = client.ask(['GET / HTTP/1.1', 'host: a'])
  await until(() => held.length === 1)
  const before = await pids(cutover, 'worker')
  cutover.process.kill('SIGUSR2')
  // Either both workers are replaced, or the first one still waits for the request.
  await until(async () => (await pids(cutover, 'worker')).filter((pid) => !before.includes(pid)).length > 0, 20_000)
  const [control] = await pids(cutover, 'control')
  process.kill(control as number, 'SIGKILL')
  cutover.process.kill('SIGTERM')
  await setTimeout(ROUNDS_MS)
  held[0]?.end('done')
  expect((await answer).text).toBe('done')
  expect(await cutover.exited).toEqual({ code: 0, signal: null })
})

test('with `shutdown.timeout: 0` a WebSocket stays at its replaced worker, and gets 1001 when the instance ends', async () => {
  const blue = await upstream('blue1')
  const peers = new WebSocketServer({ server: blue.server })
  peers.on('connection', (peer) => peer.on('message', (data) => peer.send(data)))
  const cutover = await start({
    service: { pools: { blue: pool(blue) }, health: 'off' },
    workers: 1,
    shutdown: { timeout: 0 },
  })
  const socket = new WebSocket(cutover.proxy.replace('http', 'ws'))
  endWithAll(() => socket.terminate())
  await new Promise((resolve) => socket.once('open', resolve))
  const closed = new Promise<number>((resolve) => socket.once('close', (code) => resolve(code)))
  cutover.process.kill('SIGUSR2')
  await until(async () => (await pids(cutover, 'worker')).length === 2, 20_000)
  await setTimeout(ROUNDS_MS)
  const echo = new Promise<string>((resolve) => socket.once('message', (data) => resolve(String(data))))
  socket.send('still here')
  expect(await echo).toBe('still here')
  cutover.process.kill('SIGTERM')
  expect(await closed).toBe(1001)
  expect(await cutover.exited).toEqual({ code: 0, signal: null })
})
