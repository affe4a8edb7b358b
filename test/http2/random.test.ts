import http2, { constants, type ServerHttp2Stream } from 'node:http2'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { Client2 } from '../support/http2.ts'
import { binary, RawConnection } from '../support/raw-client.ts'
import { until } from '../support/until.ts'
import { startHttp2, upstream2 } from './support.ts'

const BODY = binary(150_000)
const CODES = [
  constants.NGHTTP2_NO_ERROR,
  constants.NGHTTP2_CANCEL,
  constants.NGHTTP2_INTERNAL_ERROR,
  constants.NGHTTP2_REFUSED_STREAM,
  constants.NGHTTP2_HTTP_1_1_REQUIRED,
]

/** Numbers from 0 to below 1 that are the same for each run with a seed. */
function randomOf(seed: number): () => number {
  let state = seed
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31
    return state / 2 ** 31
  }
}

const SEED = Number(process.env.HTTP2_SEED ?? 4_711)

test('whatever clients and servers do to each other, no request stays behind and the instance goes on', async () => {
  const random = randomOf(SEED)
  const pick = <T>(all: readonly T[]): T => all[Math.floor(random() * all.length)] as T
  const soon = (act: () => void): void => void setTimeout(act, random() * 15)
  const actions: ((stream: ServerHttp2Stream) => void)[] = [
    (stream) => {
      stream.respond({ ':status': 200 })
      stream.end(BODY)
    },
    (stream) => {
      stream.respond({ ':status': 200 }, { waitForTrailers: true })
      stream.on('wantTrailers', () => stream.sendTrailers({ 'x-a': 'b' }))
      stream.end('short')
    },
    (stream) => {
      stream.respond({ ':status': 200 })
      stream.pipe(stream)
    },
    (stream) => {
      stream.respond({ ':status': 200 })
      stream.write(BODY)
      soon(() => stream.close(pick(CODES)))
    },
    (stream) => soon(() => stream.close(pick(CODES))),
    (stream) => soon(() => stream.session?.close()),
    (stream) => {
      if (random() < 0.2) soon(() => stream.session?.destroy())
      else stream.respond({ ':status': 204 }, { endStream: true })
    },
    (stream) => {
      stream.additionalHeaders({ ':status': 103, link: '</a>' })
      soon(() => {
        if (stream.destroyed || stream.closed) return
        stream.respond({ ':status': 404 })
        stream.end('none')
      })
    },
    (stream) => {
      stream.respond({ ':status': 413 })
      stream.end()
    },
  ]
  const servers = [
    await upstream2((stream) => pick(actions)(stream), { settings: { maxConcurrentStreams: 7 } }),
    await upstream2((stream) => pick(actions)(stream)),
  ]
  const cutover = await startHttp2(
    {
      app: {
        servers,
        timeouts: { response: '2s', idle: '2s', queue: '2s' },
        connections: { perServer: 20 },
        passive: { maxFails: 0 },
        retry: { budget: '100%' },
      },
    },
    {
      proxy: {
        listen: [{ address: '127.0.0.1:0', h2c: true }],
        timeouts: { idleBody: '2s' },
        accessLog: 'off',
        limits: { requestsPerConnection: 50 },
      },
    },
  )

  const over2 = async (): Promise<void> => {
    let client = await Client2.connect(cutover.proxy)
    for (let i = 0; i < 60; i++) {
      if (client.session.closed || client.session.destroyed) client = await Client2.connect(cutover.proxy)
      const method = pick(['GET', 'POST', 'PUT', 'HEAD', 'DELETE'])
      const hasBody = method === 'POST' || method === 'PUT'
      const stream = client.open(
        {
          ':path': `/app/${i}`,
          ':method': method,
          te: 'trailers',
          ...(random() < 0.2 ? { 'content-type': 'application/grpc', 'grpc-timeout': '20m' } : {}),
        },
        { endStream: !hasBody },
      )
      const closed = new Promise((resolve) => stream.once('close', resolve))
      if (random() < 0.8) stream.resume()
      else setTimeout(() => stream.resume(), 100)
      if (hasBody) {
        stream.write(BODY.subarray(0, Math.floor(random() * BODY.length)))
        soon(() => stream.end())
      }
      const end = random()
      if (end < 0.15) soon(() => stream.close(pick(CODES)))
      else if (end < 0.18) soon(() => client.session.destroy())
      else if (end < 0.22) soon(() => stream.destroy())
      if (random() < 0.7) await Promise.race([closed, delay(3_000)])
    }
    client.close()
  }
  const over1 = async (): Promise<void> => {
    for (let i = 0; i < 40; i++) {
      const connection = await RawConnection.connect(cutover.proxy)
      const isPost = random() < 0.5
      const head = isPost
        ? ['POST /app/ HTTP/1.1', 'host: a', `content-length: ${BODY.length}`]
        : ['GET /app/ HTTP/1.1', 'host: a']
      const answer = connection
        .ask(head, isPost ? BODY.subarray(0, random() < 0.8 ? BODY.length : 1_000) : '')
        .catch(() => null)
      if (random() < 0.3) await delay(random() * 20)
      else await Promise.race([answer, delay(3_000)])
      connection.destroy()
      await answer
    }
  }
  await Promise.all([...Array.from({ length: 12 }, over2), ...Array.from({ length: 4 }, over1)])
  const inFlight = async (): Promise<number> =>
    (await cutover.api('GET', '/api/services')).body.services[0].pools[0].inFlight
  await until(async () => (await inFlight()) === 0)
  expect(cutover.process.exitCode).toBe(null)
  expect(cutover.stderr).toBe('')
  const client = await Client2.connect(cutover.proxy)
  expect((await client.get('/elsewhere')).status).toBe(404)
  client.close()
  // All connections end as well.
  await until(async () =>
    / 0$/m.test(/^cutover_connections\{.*$/m.exec((await cutover.api('GET', '/metrics')).body)?.[0] ?? ''),
  )
  cutover.process.kill('SIGTERM')
  expect((await cutover.exited).code).toBe(0)
  expect(http2.constants.NGHTTP2_NO_ERROR).toBe(0)
})
