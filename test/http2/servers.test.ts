import { once } from 'node:events'
import { mkdtempSync, writeFileSync } from 'node:fs'
import http2, { constants } from 'node:http2'
import { createServer as createHttps } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { AUTHORITY, LOCALHOST } from '../support/certificates.ts'
import { atEnd } from '../support/endings.ts'
import { binary, inChunks, RawConnection } from '../support/raw-client.ts'
import { block, END_HEADERS, END_STREAM, FRAME, frame, startRawHttp2, uint32 } from '../support/raw-http2.ts'
import { until } from '../support/until.ts'
import { freePort, startRawUpstream } from '../support/upstream.ts'
import { client, logged, servicesOf, startHttp2, upstream, upstream2 } from './support.ts'

const { NGHTTP2_CANCEL: CANCEL, NGHTTP2_REFUSED_STREAM: REFUSED, NGHTTP2_NO_ERROR: NO_ERROR } = constants
const OK = block([[':status', '200']])

describe('a request that the server has refused before it did anything with it', () => {
  test.each(['2', '1.1'])(
    'goes to another one whole, whatever its method, from a client of HTTP/%s',
    async (version) => {
      const refusing = await upstream2((stream) => {
        stream.once('data', () => stream.close(REFUSED))
      })
      const taking = await upstream2()
      const cutover = await startHttp2({ app: { servers: [refusing, taking] } })
      const body = binary(60_000)
      for (let i = 0; i < 4; i++) {
        if (version === '2') {
          const answer = await (await client(cutover)).ask({ ':path': '/app/', ':method': 'POST' }, body)
          expect([answer.status, String(answer.body)]).toEqual([200, 'upstream'])
        } else {
          const connection = await RawConnection.connect(cutover.proxy)
          const lines = ['POST /app/ HTTP/1.1', 'host: a', 'transfer-encoding: chunked']
          expect((await connection.ask(lines, inChunks(body, 9_000))).status).toBe(200)
          connection.destroy()
        }
      }
      expect(taking.requests.every((request) => request.body?.equals(body))).toBe(true)
      expect([taking.requests.length, refusing.requests.length]).toEqual([4, 2])
      // Nobody is blamed.
      const { body: shown } = await cutover.api('GET', '/api/services/app')
      expect(shown.pools[0].servers.map((each: { health: string }) => each.health)).toEqual(['up', 'up'])
    },
  )

  test('goes to the same server on another connection if there is no other, and is a 503 if that refuses it as well', async () => {
    let count = 0
    const server = await upstream2((stream) => {
      if (++count <= 1 || count > 2) stream.close(REFUSED)
      else {
        stream.respond({ ':status': 200 })
        stream.end('ok')
      }
    })
    const cutover = await startHttp2({ app: { servers: [server] } })
    const connection = await client(cutover)
    expect((await connection.ask({ ':path': '/app/', ':method': 'POST' }, 'x')).status).toBe(200)
    const answer = await connection.ask({ ':path': '/app/twice', ':method': 'POST' }, 'x')
    expect([answer.status, answer.headers['retry-after']]).toEqual([503, '1'])
    expect(await logged(cutover, '/app/twice')).toMatchObject({ error: 'request_refused', attempts: 2 })
  })

  test('by a GOAWAY with an earlier last stream: that one is repeated, the earlier one is answered', async () => {
    let connections = 0
    const server = await startRawHttp2(async (raw) => {
      connections++
      raw.send(frame(FRAME.settings, 0, 0))
      const isFirst = connections === 1
      const first = await raw.requestId(0)
      if (first === null) return
      if (isFirst) {
        await raw.requestId(1)
        raw.send(frame(FRAME.goaway, 0, 0, Buffer.concat([uint32(first), uint32(NO_ERROR)])))
        // The other request begins anew.
        await until(() => connections === 2)
      }
      raw.send(frame(FRAME.headers, END_STREAM | END_HEADERS, first, OK))
    })
    atEnd(() => server.close())
    const cutover = await startHttp2({ app: { servers: [{ url: `h2c://127.0.0.1:${server.port}` }] } })
    const connection = await client(cutover)
    const answers = [
      connection.ask({ ':path': '/app/1', ':method': 'POST' }, 'x'),
      connection.ask({ ':path': '/app/2', ':method': 'POST' }, 'y'),
    ]
    expect((await Promise.all(answers)).map(({ status }) => status)).toEqual([200, 200])
    expect(connections).toBe(2)
  })
})

describe('a request that the server may have executed', () => {
  test.each([
    ['resets its stream', (stream: http2.ServerHttp2Stream) => stream.close(constants.NGHTTP2_INTERNAL_ERROR)],
    ['closes the connection', (stream: http2.ServerHttp2Stream) => stream.session?.socket.destroy()],
    [
      'sends a GOAWAY with an error',
      (stream: http2.ServerHttp2Stream) => stream.session?.destroy(undefined, constants.NGHTTP2_ENHANCE_YOUR_CALM),
    ],
  ])('is repeated only if its method allows it: the server %s', async (_what, end) => {
    const ending = await upstream2((stream) => {
      stream._final = (done) => done()
      stream.resume().once('end', () => end(stream))
      if (stream.readableEnded || stream.endAfterHeaders) end(stream)
    })
    const cutover = await startHttp2({ app: { servers: [ending] } })
    const connection = await client(cutover)
    const post = await connection.ask({ ':path': '/app/', ':method': 'POST' }, 'x')
    expect([post.status, ending.requests.length]).toEqual([502, 1])
    const get = await connection.get('/app/')
    expect([get.status, ending.requests.length]).toEqual([502, 3])
  })
})

describe('connections to a server', () => {
  test('carry no more requests at once than the server takes; beyond that, another one is opened', async () => {
    const waiting: (() => void)[] = []
    const server = await upstream2(
      (stream) => {
        waiting.push(() => {
          stream.respond({ ':status': 200 })
          stream.end('ok')
        })
      },
      { settings: { maxConcurrentStreams: 2 } },
    )
    const cutover = await startHttp2({ app: { servers: [server] } })
    const connection = await client(cutover)
    const answers = Array.from({ length: 6 }, () => connection.ask({ ':path': '/app/', ':method': 'POST' }, 'x'))
    await server.arrived(6)
    expect(server.sessions.size).toBe(3)
    for (const answer of waiting.splice(0)) answer()
    expect((await Promise.all(answers)).map(({ status }) => status)).toEqual(Array(6).fill(200))
    expect(server.requests.length).toBe(6)
  })

  test('one carries many requests, and those beyond connections.perServer wait in the queue of the service', async () => {
    let open = 0
    let max = 0
    const server = await upstream2((stream) => {
      max = Math.max(max, ++open)
      setTimeout(() => {
        open--
        stream.respond({ ':status': 200 })
        stream.end('ok')
      }, 20)
    })
    const cutover = await startHttp2({
      app: { servers: [server], connections: { perServer: 3 }, timeouts: { queue: '10s' } },
    })
    const connection = await client(cutover)
    const answers = await Promise.all(Array.from({ length: 30 }, () => connection.get('/app/')))
    expect(answers.every(({ status }) => status === 200)).toBe(true)
    expect([max, server.accepted]).toEqual([3, 1])
  })

  test('close when they have been idle for connections.keepAlive, with a GOAWAY', async () => {
    const server = await upstream2()
    const cutover = await startHttp2({ app: { servers: [server], connections: { keepAlive: '300ms' } } })
    const connection = await client(cutover)
    await connection.get('/app/')
    const [session] = server.sessions
    const [code] = await once(session as http2.ServerHttp2Session, 'goaway')
    expect(code).toBe(NO_ERROR)
    await until(() => server.sessions.size === 0)
    expect((await connection.get('/app/')).status).toBe(200)
  })

  test('close when the server is drained, and its last request has ended', async () => {
    const waiting: (() => void)[] = []
    const server = await upstream2((stream) => {
      waiting.push(() => {
        stream.respond({ ':status': 200 })
        stream.end('ok')
      })
    })
    const other = await upstream2()
    const cutover = await startHttp2({ app: { servers: [server, other], connections: { keepAlive: '60s' } } })
    const connection = await client(cutover)
    const answers = [connection.get('/app/'), connection.get('/app/')]
    await server.arrived(1)
    const drained = cutover.api('POST', '/api/servers/a/drain?wait=10s')
    const state = async (): Promise<string> => (await cutover.api('GET', '/api/servers/a')).body.servers[0].state
    await until(async () => (await state()) === 'drain')
    // The table without it is in force when it gets no more requests.
    const before = other.requests.length
    await until(async () => {
      const seen = other.requests.length
      for (let i = 0; i < 2; i++) await connection.get('/app/')
      return other.requests.length === seen + 2
    })
    expect(other.requests.length).toBeGreaterThan(before)
    expect(server.sessions.size).toBe(1)
    waiting[0]?.()
    expect((await Promise.all(answers)).every(({ status }) => status === 200)).toBe(true)
    expect((await drained).status).toBe(200)
    await until(() => server.sessions.size === 0)
  })

  test('to a server that speaks HTTP/1.1 send nothing of a request, which goes to another one', async () => {
    const http1 = await upstream()
    const http2 = await upstream2()
    const cutover = await startHttp2({ app: { servers: [{ url: `h2c://127.0.0.1:${http1.port}` }, http2] } })
    const connection = await client(cutover)
    for (let i = 0; i < 3; i++)
      expect((await connection.ask({ ':path': '/app/', ':method': 'POST' }, 'x')).status).toBe(200)
    expect(http1.requests.length).toBe(0)
    const alone = await startHttp2({ app: { servers: [{ url: `h2c://127.0.0.1:${http1.port}` }] } })
    expect((await (await client(alone)).get('/app/')).status).toBe(502)
  })

  test('that cannot be opened, or are not answered with settings in time, are failures of connecting', async () => {
    const silent = await startRawUpstream(() => undefined)
    atEnd(() => silent.close())
    const port = await freePort()
    const timeouts = { connect: '300ms' }
    const cutover = await startHttp2({
      refused: { servers: [{ url: `h2c://127.0.0.1:${port}` }] },
      silent: { servers: [{ url: `h2c://127.0.0.1:${silent.port}` }], timeouts },
    })
    const connection = await client(cutover)
    expect((await connection.get('/refused/')).status).toBe(502)
    expect(await logged(cutover, '/refused/')).toMatchObject({ error: 'connection_refused' })
    const since = performance.now()
    expect((await connection.get('/silent/')).status).toBe(504)
    expect(performance.now() - since).toBeLessThan(3_000)
    expect(await logged(cutover, '/silent/')).toMatchObject({ error: 'connection_timeout' })
    // A client that leaves meanwhile leaves nothing behind.
    const stream = connection.open({ ':path': '/silent/left' })
    setTimeout(() => stream.close(), 50)
    expect(await logged(cutover, '/silent/left')).toMatchObject({ status: 499 })
  })
})

test('a server that does not answer in time gets a CANCEL, and the client a 504', async () => {
  const server = await upstream2(() => undefined)
  const cutover = await startHttp2({ app: { servers: [server], timeouts: { response: '300ms' } } })
  expect((await (await client(cutover)).get('/app/late')).status).toBe(504)
  expect((await server.ended(0)).reset).toBe(CANCEL)
  expect(await logged(cutover, '/app/late')).toMatchObject({ error: 'http_response_timeout' })
})

test('a head that is too large is a 502', async () => {
  const server = await upstream2(
    (stream) => {
      stream.respond({ ':status': 200, 'x-large': 'a'.repeat(90_000) })
      stream.end()
    },
    { maxSendHeaderBlockLength: 200_000 },
  )
  const cutover = await startHttp2({ app: { servers: [server] } })
  expect((await (await client(cutover)).get('/app/')).status).toBe(502)
})

test('two servers that are restarted in turn, with GOAWAY, lose no request', async () => {
  const started = await Promise.all([upstream2(undefined, { name: 'a' }), upstream2(undefined, { name: 'b' })])
  const ports = started.map(({ port }) => port)
  const cutover = await startHttp2({ app: { servers: started, passive: { maxFails: 0 } } })
  const connection = await client(cutover)
  const failures: unknown[] = []
  let completed = 0
  let isStopping = false
  const clients = Array.from({ length: 20 }, async (_, i) => {
    while (!isStopping) {
      const path = { ':path': '/app/', ':method': i % 2 === 0 ? 'POST' : 'GET' }
      const { status, body } = await connection.ask(path, i % 2 === 0 ? 'x'.repeat(2_000) : undefined)
      if (status === 200) completed++
      else failures.push([status, String(body)])
    }
  })
  const more = async (count: number): Promise<void> => {
    const goal = completed + count
    while (completed < goal) await new Promise((resolve) => setTimeout(resolve, 2))
  }
  const { Upstream2 } = await import('../support/http2.ts')
  for (let i = 0; i < 20; i++) {
    const at = i % 2
    await more(50)
    await started[at]?.shutDown()
    const server = http2.createServer()
    const next = new Upstream2(await listening(server, ports[at] as number), 'again', (stream) => {
      stream.resume().once('end', () => {
        stream.respond({ ':status': 200 })
        stream.end('again')
      })
    })
    atEnd(() => next.close())
    started[at] = next
  }
  isStopping = true
  await Promise.all(clients)
  expect(failures).toEqual([])
})

async function listening(server: http2.Http2Server, port: number): Promise<http2.Http2Server> {
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  return server
}

describe('h2://', () => {
  const ca = join(mkdtempSync(join(tmpdir(), 'cutover-h2-')), 'ca.pem')
  writeFileSync(ca, AUTHORITY)

  test('speaks HTTP/2 over TLS, whose certificate is verified', async () => {
    const server = http2.createSecureServer(LOCALHOST, (request, response) =>
      response.end(`${request.httpVersion} ${request.authority}`),
    )
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    atEnd(() => server.close())
    const { port } = server.address() as AddressInfo
    const url = `h2://localhost:${port}`
    const cutover = await startHttp2({
      app: {
        servers: [],
        pools: { main: { version: '1', servers: { a: { url, tls: { ca } } } } },
        health: { path: '/', interval: '200ms' },
      },
      bad: { servers: [{ url }] },
    })
    const connection = await client(cutover)
    const answer = await connection.ask({ ':path': '/app/', ':authority': 'shop.test' })
    expect([answer.status, String(answer.body)]).toEqual([200, '2.0 shop.test'])
    expect((await connection.get('/bad/')).status).toBe(502)
    expect(await logged(cutover, '/bad/')).toMatchObject({ error: 'tls_protocol_error' })
    const { body } = await cutover.api('GET', '/api/servers/a')
    expect(body.servers.find(({ service }: { service: string }) => service === 'app')).toMatchObject({
      url,
      health: 'up',
    })
  })

  test('a server that agrees on no HTTP/2 gets nothing of the request', async () => {
    let count = 0
    const server = createHttps(LOCALHOST, () => count++)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    atEnd(() => server.close())
    const url = `h2://localhost:${(server.address() as AddressInfo).port}`
    const cutover = await startHttp2({
      app: { servers: [], pools: { main: { version: '1', servers: { a: { url, tls: { ca } } } } } },
    })
    expect((await (await client(cutover)).get('/app/')).status).toBe(502)
    expect(await logged(cutover, '/app/')).toMatchObject({ error: 'tls_protocol_error' })
    expect(count).toBe(0)
  })
})

test('health checks speak HTTP/2, with all that a check can expect', async () => {
  let version = '1'
  const asked: http2.IncomingHttpHeaders[] = []
  const server = await upstream2((stream, headers) => {
    if (headers[':path'] !== '/check?x=1') {
      stream.respond({ ':status': 200 })
      stream.end('ok')
      return
    }
    asked.push(headers)
    stream.respond({ ':status': 207, 'x-app-version': version })
    stream.end('all is well')
  })
  const health = {
    path: '/check?x=1',
    interval: '100ms',
    expect: 207,
    body: 'well',
    host: 'check.test',
    headers: { 'X-Probe': '1' },
    fall: 1,
  }
  const cutover = await startHttp2({
    app: { servers: [server], health, versionHeader: 'x-app-version' },
    wrong: { servers: [server], health: { ...health, body: 'ill' } },
    none: { servers: [{ url: `h2c://127.0.0.1:${await freePort()}` }], health },
  })
  version = '2'
  await until(async () => {
    const { services } = (await cutover.api('GET', '/api/services')).body
    return services.every(
      (each: { pools: { servers: { lastProbe: unknown }[] }[] }) => each.pools[0]?.servers[0]?.lastProbe !== null,
    )
  })
  const { services } = (await cutover.api('GET', '/api/services')).body
  const seen = services.map((each: { name: string; pools: { servers: { health: string; lastProbe: object }[] }[] }) => [
    each.name,
    each.pools[0]?.servers[0],
  ])
  expect(Object.fromEntries(seen)).toMatchObject({
    app: { health: 'up', lastProbe: { ok: true, status: 207 } },
    wrong: { health: 'down', lastProbe: { ok: false, error: 'body does not contain "ill"' } },
    none: { health: 'down', lastProbe: { ok: false, error: 'connection refused' } },
  })
  expect(asked[0]).toMatchObject({ ':authority': 'check.test', 'x-probe': '1', 'user-agent': 'Cutover-Health' })
  // A probe leaves no connection behind.
  await until(() => server.sessions.size <= 2)
})

test('a preview reaches a server of HTTP/2', async () => {
  const server = await upstream2((stream, headers) => {
    stream.respond({ ':status': 200, 'content-type': 'text/plain' })
    stream.end(`preview of ${headers[':path']}`)
  })
  const cutover = await startHttp2({ app: { servers: [server] } })
  const answer = await fetch(`${cutover.admin}/preview/app/main/page?x=1`)
  expect([answer.status, await answer.text()]).toEqual([200, 'preview of /page?x=1'])
})

test('a mirror of HTTP/2 gets the bodies of clients of both versions whole', async () => {
  const main = await upstream()
  const mirror = await upstream2()
  const pools = { main: { version: '1', servers: { a: main.url } }, copy: { version: '2', servers: { m: mirror.url } } }
  const cutover = await startHttp2({
    app: { servers: [], pools, split: { main: 100 }, mirror: { to: 'copy', percent: 100, methods: ['POST'] } },
  })
  const body = binary(100_000)
  await (await client(cutover)).ask({ ':path': '/app/', ':method': 'POST' }, body)
  const connection = await RawConnection.connect(cutover.proxy)
  await connection.ask(['POST /app/ HTTP/1.1', 'host: a', 'transfer-encoding: chunked'], inChunks(body, 5_000))
  connection.destroy()
  await mirror.ended(1)
  expect(mirror.requests.map((each) => [each.body?.equals(body), each.headers['x-cutover-mirror']])).toEqual([
    [true, '1'],
    [true, '1'],
  ])
})

test('the configuration names h2c:// and h2:// as what it takes', async () => {
  const cutover = await startHttp2({ app: { servers: [await upstream2()] } })
  const answer = await cutover.api('PUT', '/api/services/new', {
    pools: { p: { version: '1', servers: { a: 'h3://127.0.0.1:1' } } },
  })
  expect(answer.status).toBe(422)
  const tls = await cutover.api('PUT', '/api/services/new', {
    pools: { p: { version: '1', servers: { a: { url: 'h2c://127.0.0.1:1', tls: {} } } } },
  })
  expect([tls.status, JSON.stringify(tls.body)]).toEqual([
    422,
    expect.stringContaining('is for https:// and h2:// servers'),
  ])
  expect(Object.keys(servicesOf({}))).toEqual([])
})
