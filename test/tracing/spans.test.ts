import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ask, endAll, speaking } from '../proxy/support.ts'
import type { Cutover } from '../support/cutover.ts'
import type { RawMessage } from '../support/raw-client.ts'
import { freePort } from '../support/upstream.ts'
import type { OtlpReceiver } from './otlp-receiver.ts'
import { startTraced } from './support.ts'

let cutover: Cutover
let spans: OtlpReceiver
let server: Awaited<ReturnType<typeof speaking>>
let refused: number

const ANSWERS: Readonly<Record<string, string>> = {
  '/missing': 'HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n',
  '/broken': 'HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n',
}
const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'

beforeAll(async () => {
  server = await speaking(({ startLine }, connection) => {
    const path = startLine.split(' ')[1] ?? ''
    if (path !== '/cut-short') return ANSWERS[path] ?? OK
    connection.send('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf')
    connection.socket.end()
    return undefined
  })
  refused = await freePort()
  const started = await startTraced(
    {
      app: { servers: [server] },
      again: { servers: [{ port: refused }, server], balance: 'hash:path', retry: { attempts: 2 } },
      none: { servers: [{ port: refused }], retry: { attempts: 1 } },
      strict: { servers: [server, server], retry: { attempts: 2, statuses: [500] } },
    },
    { proxy: { limits: { urlBytes: '1kb' } } },
  )
  cutover = started.cutover
  spans = started.receiver
})

afterAll(endAll)

/** The request at the server whose target begins with `path`, the last one. */
function received(path: string): RawMessage {
  return server.requests.findLast(({ startLine }) => startLine.split(' ')[1]?.startsWith(path)) as RawMessage
}

const FRAME = ['host: app.test:8080', 'user-agent: probe/1.0']

describe.concurrent('a request', () => {
  test('has a span, and one for its try below it, which is the parent of the span of the server', async () => {
    const before = Date.now()
    await ask(cutover, ['POST /plain?q=secret&page&=x HTTP/1.1', ...FRAME, 'content-length: 5'], 'hello')
    const { request, tries } = await spans.trace('/plain')
    expect(request).toMatchObject({ name: 'POST', kind: 'server', parentSpanId: '', traceState: '', status: 'unset' })
    expect(request.attributes).toEqual({
      'http.request.method': 'POST',
      'url.scheme': 'http',
      'url.path': '/plain',
      'url.query': 'q=REDACTED&REDACTED&REDACTED',
      'server.address': 'app.test',
      'server.port': 8080,
      'network.protocol.version': '1.1',
      'network.peer.address': '127.0.0.1',
      'client.address': '127.0.0.1',
      'user_agent.original': 'probe/1.0',
      'http.response.status_code': 200,
      'http.request.body.size': 5,
      'http.response.body.size': 2,
      'cutover.service': 'app',
      'cutover.pool': 'main',
      'cutover.version': '1.0',
      'cutover.server': 'a',
      'cutover.request_id': received('/plain').field('x-request-id'),
      'cutover.attempts': 1,
    })
    const [tried] = tries
    expect(tried).toMatchObject({ name: 'POST', kind: 'client', traceId: request.traceId, status: 'unset' })
    expect(tried?.attributes).toEqual({
      'http.request.method': 'POST',
      'url.full': `http://127.0.0.1:${server.port}/plain?q=REDACTED&REDACTED&REDACTED`,
      'server.address': '127.0.0.1',
      'server.port': server.port,
      'network.protocol.version': '1.1',
      'http.response.status_code': 200,
      'cutover.service': 'app',
      'cutover.pool': 'main',
      'cutover.version': '1.0',
      'cutover.server': 'a',
      'cutover.connect_ms': expect.any(Number),
    })
    expect(received('/plain').field('traceparent')).toBe(`00-${request.traceId}-${tried?.spanId}-01`)
    // Within the request, and both in the time of this test.
    const times = [BigInt(before - 1) * 1_000_000n, request.start, tried?.start, tried?.end, request.end] as bigint[]
    expect(times.toSorted((a, b) => Number(a - b))).toEqual(times)
    expect(Number(request.end / 1_000_000n)).toBeLessThanOrEqual(Date.now() + 1)
  })

  test('names the process that has handled it', async () => {
    await ask(cutover, ['GET /process HTTP/1.1', ...FRAME])
    const { resource } = (await spans.trace('/process')).request
    expect(resource).toMatchObject({
      'service.name': 'cutover',
      'service.version': expect.stringMatching(/^\d+\.\d+\.\d+/),
      'service.instance.id': expect.stringMatching(new RegExp(`:${cutover.process.pid}$`)),
      'process.pid': cutover.process.pid,
      'telemetry.sdk.language': 'nodejs',
    })
  })

  test('leaves no credentials in its spans', async () => {
    const secrets = ['authorization: Bearer TOPSECRET', 'cookie: sid=TOPSECRET', 'x-api-key: TOPSECRET']
    await ask(cutover, ['GET /credentials?token=TOPSECRET HTTP/1.1', ...FRAME, ...secrets])
    const trace = await spans.trace('/credentials')
    const text = JSON.stringify(trace, (_, value) => (typeof value === 'bigint' ? String(value) : value))
    expect(text).toContain('token=REDACTED')
    expect(text).not.toContain('TOPSECRET')
  })

  test('with an unknown method does not put it into the name of the span', async () => {
    await ask(cutover, ['PROPFIND /pot HTTP/1.1', ...FRAME])
    const { request, tries } = await spans.trace('/pot')
    for (const span of [request, ...tries]) {
      expect(span.name).toBe('HTTP')
      expect(span.attributes).toMatchObject({
        'http.request.method': '_OTHER',
        'http.request.method_original': 'PROPFIND',
      })
    }
  })

  test('in absolute form has the path alone', async () => {
    await ask(cutover, ['GET http://app.test:8080/absolute?x=1 HTTP/1.1', ...FRAME])
    expect((await spans.trace('/absolute')).request.attributes).toMatchObject({ 'url.query': 'x=REDACTED' })
  })

  test('has its long texts cut', async () => {
    await ask(cutover, ['GET /long HTTP/1.1', 'host: app.test', `user-agent: ${'x'.repeat(8_000)}`])
    expect((await spans.trace('/long')).request.attributes['user_agent.original']).toBe('x'.repeat(2_048))
  })
})

describe.concurrent('a try that fails', () => {
  test('has a span beside that of the next one, which says that it is a repetition', async () => {
    // The hash of some path begins with the server that refuses.
    for (let i = 0; ; i++) {
      const path = `/again/${i}`
      await ask(cutover, [`GET ${path} HTTP/1.1`, 'host: again.test'])
      const { request, tries } = await spans.trace(path)
      if (tries.length === 1) continue
      expect(request).toMatchObject({ status: 'unset', attributes: { 'http.response.status_code': 200 } })
      expect(request.attributes).toMatchObject({ 'cutover.attempts': 2, 'cutover.server': 'b' })
      const [first, second] = tries
      expect(first).toMatchObject({ status: 'error', parentSpanId: request.spanId })
      expect(first?.attributes).toMatchObject({
        'error.type': 'connection_refused',
        'server.port': refused,
        'cutover.server': 'a',
      })
      for (const absent of ['http.response.status_code', 'cutover.connect_ms', 'http.request.resend_count'])
        expect(first?.attributes).not.toHaveProperty(absent)
      expect(second).toMatchObject({ status: 'unset', parentSpanId: request.spanId })
      expect(second?.attributes).toMatchObject({ 'http.request.resend_count': 1, 'http.response.status_code': 200 })
      expect(first?.spanId).not.toBe(second?.spanId)
      // The server that got the request is told the try that has reached it.
      expect(received(path).field('traceparent')).toBe(`00-${request.traceId}-${second?.spanId}-01`)
      break
    }
  })

  test('by its status has that status', async () => {
    await ask(cutover, ['GET /broken HTTP/1.1', 'host: strict.test'])
    const { request, tries } = await spans.trace('/broken')
    expect(request).toMatchObject({ status: 'error', attributes: { 'error.type': '500' } })
    expect(tries.map(({ status, attributes }) => [status, attributes['error.type']])).toEqual([
      ['error', '500'],
      ['error', '500'],
    ])
    const parents = server.requests
      .filter(({ startLine }) => startLine.includes('/broken'))
      .map((each) => each.field('traceparent'))
    expect(parents).toEqual(tries.map(({ spanId }) => `00-${request.traceId}-${spanId}-01`))
  })

  test('for lack of another server fails the request', async () => {
    await ask(cutover, ['GET /no-server HTTP/1.1', 'host: none.test'])
    const { request, tries } = await spans.trace('/no-server')
    expect(request.status).toBe('error')
    expect(request.attributes).toMatchObject({
      'http.response.status_code': 502,
      'error.type': 'connection_refused',
    })
    expect(tries).toHaveLength(1)
  })

  test('within the response fails the request, whatever its status says', async () => {
    await ask(cutover, ['GET /cut-short HTTP/1.1', 'host: app.test'])
    const { request, tries } = await spans.trace('/cut-short')
    for (const span of [request, ...tries]) {
      expect(span.status).toBe('error')
      expect(span.attributes).toMatchObject({
        'http.response.status_code': 200,
        'error.type': 'connection_terminated',
      })
    }
  })
})

test.concurrent('a status of the client fails the try, and not the request', async () => {
  await ask(cutover, ['GET /missing HTTP/1.1', 'host: app.test'])
  const { request, tries } = await spans.trace('/missing')
  expect(request.status).toBe('unset')
  expect(request.attributes).not.toHaveProperty('error.type')
  expect(tries[0]).toMatchObject({ status: 'error', attributes: { 'error.type': '404' } })
})

describe.concurrent('a request that is refused', () => {
  test('for lack of a service has a span without a try, and its trace in the access log', async () => {
    await ask(cutover, ['GET /nowhere HTTP/1.1', 'host: nobody.test'])
    const { request, tries } = await spans.trace('/nowhere')
    expect(tries).toEqual([])
    expect(request).toMatchObject({ status: 'unset' })
    expect(request.attributes).toMatchObject({
      'http.response.status_code': 404,
      'error.type': 'destination_not_found',
      'cutover.attempts': 0,
    })
    expect(request.attributes).not.toHaveProperty('cutover.service')
    const [entry] = await cutover.printed(/^\{.*"target":"\/nowhere".*\}\n/m)
    expect(JSON.parse(entry).traceId).toBe(request.traceId)
  })

  test('for its target has no path that is none', async () => {
    await ask(cutover, ['GET http://other.test/secret HTTP/1.1', 'host: app.test'])
    await spans.until(() => spans.spans.some(({ attributes }) => attributes['http.response.status_code'] === 400))
    const refusals = spans.spans.filter(({ attributes }) => attributes['http.response.status_code'] === 400)
    expect(refusals).toHaveLength(1)
    expect(refusals[0]?.attributes).not.toHaveProperty('url.path')
  })
})
