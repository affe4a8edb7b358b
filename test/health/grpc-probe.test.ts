import { once } from 'node:events'
import http2, { type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { probe } from '../../src/health/probe.ts'
import type { ServerAddress } from '../../src/model/server-address.ts'
import { DEFAULT_TLS } from '../../src/model/server-address.ts'
import { Endpoint } from '../../src/net/endpoint.ts'
import { AUTHORITY, LOCALHOST } from '../support/certificates.ts'
import { freePort } from '../support/upstream.ts'
import { endAll, endWith, healthSpec, temporaryFile, upstream } from './support.ts'

afterEach(endAll)

interface Call {
  readonly headers: http2.IncomingHttpHeaders
  readonly body: Buffer
}

type Answer = (stream: ServerHttp2Stream, call: Call) => void

/** A gRPC server in a few lines. */
async function grpcServer(answer: Answer, secure = false): Promise<{ port: number; calls: Call[] }> {
  const calls: Call[] = []
  const server = secure ? http2.createSecureServer(LOCALHOST) : http2.createServer()
  const sessions = new Set<http2.ServerHttp2Session>()
  server.on('session', (session) => sessions.add(session))
  server.on('stream', async (stream: ServerHttp2Stream, headers: http2.IncomingHttpHeaders) => {
    const chunks: Buffer[] = []
    stream.on('error', () => undefined)
    for await (const chunk of stream) chunks.push(chunk as Buffer)
    const call = { headers, body: Buffer.concat(chunks) }
    calls.push(call)
    answer(stream, call)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  endWith(() => {
    for (const session of sessions) session.destroy()
    server.close()
  })
  return { port: (server.address() as AddressInfo).port, calls }
}

/** Answers with these bytes, and a status of gRPC. */
function answering(bytes: readonly number[], status = 0, message = ''): Answer {
  return (stream) => {
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
    stream.on('wantTrailers', () =>
      stream.sendTrailers({ 'grpc-status': status, ...(message === '' ? {} : { 'grpc-message': message }) }),
    )
    stream.end(Buffer.from(bytes))
  }
}

/** A `HealthCheckResponse` in its frame. */
const response = (status: number) => [0, 0, 0, 0, 2, 8, status]

function ask(port: number, service = '', more: object = {}, address: Partial<ServerAddress> = {}) {
  const spec = healthSpec({ probe: { grpc: service }, ...more })
  return probe(new Endpoint({ url: `http://127.0.0.1:${port}`, ...address }), spec)
}

test('the call is one of grpc.health.v1.Health/Check, with the name of the service in its message', async () => {
  const { port, calls } = await grpcServer(answering(response(1)))
  const result = await ask(port, 'shop.v1.Cart', { headers: { 'X-Token': 'abc' }, timeoutMs: 4_000 })
  expect(result).toMatchObject({ ok: true, error: null, status: 200 })
  expect(calls[0]?.headers).toMatchObject({
    ':method': 'POST',
    ':path': '/grpc.health.v1.Health/Check',
    ':authority': `127.0.0.1:${port}`,
    'content-type': 'application/grpc',
    'grpc-timeout': '4000m',
    'x-token': 'abc',
    te: 'trailers',
  })
  expect(calls[0]?.body).toEqual(Buffer.from([0, 0, 0, 0, 14, 0x0a, 12, ...Buffer.from('shop.v1.Cart')]))
})

test('without a name the message is empty: it asks for the whole server', async () => {
  const { port, calls } = await grpcServer(answering(response(1)))
  expect((await ask(port)).ok).toBe(true)
  expect(calls[0]?.body).toEqual(Buffer.from([0, 0, 0, 0, 0]))
})

test('a long name has its length in two bytes', async () => {
  const { port, calls } = await grpcServer(answering(response(1)))
  await ask(port, 'a'.repeat(200))
  expect(calls[0]?.body.subarray(0, 8)).toEqual(Buffer.from([0, 0, 0, 0, 203, 0x0a, 0xc8, 0x01]))
})

describe('what is not SERVING fails', () => {
  test.each([
    [answering(response(0)), 'UNKNOWN, expected SERVING'],
    [answering([0, 0, 0, 0, 0]), 'UNKNOWN, expected SERVING'],
    [answering(response(2)), 'NOT_SERVING, expected SERVING'],
    [answering(response(3)), 'SERVICE_UNKNOWN, expected SERVING'],
    [answering([], 5, 'no%20such%20service'), 'gRPC NOT_FOUND: no such service'],
    [answering([], 12), 'gRPC UNIMPLEMENTED'],
    [answering([], 14, '%zz'), 'gRPC UNAVAILABLE: %zz'],
    [answering([0, 0, 0, 0, 9, 8, 1]), 'malformed response'],
    [answering([1, 0, 0, 0, 2, 8, 1]), 'malformed response'],
    [answering(Array.from({ length: 5_000 }, () => 0)), 'malformed response'],
  ])('%#: %s', async (answer, error) => {
    const { port } = await grpcServer(answer)
    expect(await ask(port)).toMatchObject({ ok: false, error })
  })

  test('an answer of trailers alone, as gRPC sends errors', async () => {
    const { port } = await grpcServer((stream) =>
      stream.respond({ ':status': 200, 'grpc-status': 7, 'grpc-message': 'go away' }, { endStream: true }),
    )
    expect(await ask(port)).toMatchObject({ ok: false, error: 'gRPC PERMISSION_DENIED: go away' })
  })

  test('another status of HTTP', async () => {
    const { port } = await grpcServer((stream) => stream.respond({ ':status': 404 }, { endStream: true }))
    expect(await ask(port)).toMatchObject({ ok: false, status: 404, error: 'status 404, expected the 200 of gRPC' })
  })

  test('no status of gRPC', async () => {
    const { port } = await grpcServer((stream) => stream.respond({ ':status': 200 }, { endStream: true }))
    expect(await ask(port)).toMatchObject({ ok: false, error: 'the answer has no grpc-status' })
  })

  test('a stream that is reset, an answer that never comes, a closed port, a server of HTTP/1.1', async () => {
    const reset = await grpcServer((stream) => stream.close(http2.constants.NGHTTP2_REFUSED_STREAM))
    expect(await ask(reset.port)).toMatchObject({ ok: false, error: 'stream reset' })
    const mute = await grpcServer(() => undefined)
    expect(await ask(mute.port, '', { timeoutMs: 100 })).toMatchObject({ ok: false, error: 'timeout' })
    expect(await ask(await freePort())).toMatchObject({ ok: false, error: 'connection refused' })
    expect(await ask((await upstream()).port)).toMatchObject({ ok: false, error: 'not HTTP/2' })
  })
})

test('over TLS, HTTP/2 is agreed on by ALPN, and the certificate is verified', async () => {
  const { port } = await grpcServer(answering(response(1)), true)
  const ca = await temporaryFile(AUTHORITY)
  const address = { url: `https://localhost:${port}`, tls: { ...DEFAULT_TLS, ca } }
  expect(await ask(port, '', {}, address)).toMatchObject({ ok: true, error: null })
  expect(await ask(port, '', {}, { url: address.url })).toMatchObject({
    ok: false,
    error: 'the certificate is of an unknown authority',
  })
})
