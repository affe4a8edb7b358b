import * as grpc from '@grpc/grpc-js'
import { describe, expect, test } from 'vitest'
import { client as http2Client, startHttp2, upstream2 } from '../http2/support.ts'
import { until } from '../support/until.ts'
import { freePort } from '../support/upstream.ts'
import { echoClient, echoServer, unary } from './support.ts'

const GRPC = { ':method': 'POST', ':path': '/test.Echo/unary', 'content-type': 'application/grpc', te: 'trailers' }
const WHOLE = { paths: ['/'], stripPrefix: false }

describe('an error of Cutover itself', () => {
  test('is a response of gRPC without a body, with status and message', async () => {
    const cutover = await startHttp2({
      app: { ...WHOLE, hosts: ['other.test'], servers: [{ url: `h2c://127.0.0.1:${await freePort()}` }] },
    })
    const connection = await http2Client(cutover)
    const unknown = await connection.ask(GRPC, 'x')
    expect(unknown.headers).toMatchObject({
      ':status': 200,
      'content-type': 'application/grpc',
      'grpc-status': '12',
      'grpc-message': 'No service for this host and path.',
    })
    expect([unknown.body.length, unknown.headers['content-length'], unknown.headers['x-request-id']]).toEqual([
      0,
      undefined,
      expect.any(String),
    ])
    const unreachable = await connection.ask({ ...GRPC, ':authority': 'other.test' }, 'x')
    expect([unreachable.status, unreachable.headers['grpc-status']]).toEqual([200, '14'])
    // The log has the status that another client would have got.
    const line = await until(() => cutover.accessLog().find(({ host }) => host === 'other.test'))
    expect(line).toMatchObject({ status: 502, grpcStatus: 14, error: 'connection_refused' })
    // Other requests get other answers.
    expect((await connection.ask({ ...GRPC, 'content-type': 'application/json' }, 'x')).status).toBe(404)
  })

  test('reaches a real client as its status', async () => {
    const cutover = await startHttp2({ app: { ...WHOLE, servers: [{ url: `h2c://127.0.0.1:${await freePort()}` }] } })
    const { error } = await unary(echoClient(cutover), 'x')
    expect([error?.code, error?.details]).toEqual([grpc.status.UNAVAILABLE, 'The server could not be reached.'])
  })

  test('a stopped service is UNAVAILABLE, a body that is too large RESOURCE_EXHAUSTED', async () => {
    const server = await echoServer()
    const listen = [{ address: '127.0.0.1:0', h2c: true }]
    const cutover = await startHttp2(
      { app: { ...WHOLE, servers: [server] } },
      { proxy: { listen, limits: { bodyBytes: 1_000 } } },
    )
    const client = echoClient(cutover)
    expect((await unary(client, 'x'.repeat(2_000))).error?.code).toBe(grpc.status.RESOURCE_EXHAUSTED)
    await cutover.api('POST', '/api/services/app/stop', { message: 'back at 9: 100 %' })
    const { error } = await unary(client, 'x')
    expect([error?.code, error?.details]).toEqual([grpc.status.UNAVAILABLE, 'back at 9: 100 %'])
  })
})

describe('grpc-timeout', () => {
  test('limits the time of a call, also one that a service waits longer for', async () => {
    const server = await upstream2(() => undefined)
    const cutover = await startHttp2({ app: { ...WHOLE, servers: [server] } })
    const since = performance.now()
    const answer = await (await http2Client(cutover)).ask({ ...GRPC, 'grpc-timeout': '2S' }, 'x')
    expect([answer.headers['grpc-status'], performance.now() - since < 10_000]).toEqual(['4', true])
    expect(server.requests[0]?.headers['grpc-timeout']).toBe('2S')
    await server.ended(0)
    const { services } = (await cutover.api('GET', '/api/services')).body
    expect(services[0].pools[0].servers[0].health).toBe('up')
  })

  test('ends a stream that has begun with the status in trailers', async () => {
    const server = await upstream2((stream) => {
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' })
      stream.write('part')
    })
    const cutover = await startHttp2({ app: { ...WHOLE, servers: [server] } })
    const answer = await (await http2Client(cutover)).ask({ ...GRPC, 'grpc-timeout': '300m' }, 'x')
    expect([answer.status, String(answer.body), answer.trailers['grpc-status'], answer.reset]).toEqual([
      200,
      'part',
      '4',
      0,
    ])
  })

  test('that is malformed is passed on and means nothing', async () => {
    const server = await upstream2()
    const cutover = await startHttp2({ app: { ...WHOLE, servers: [server] } })
    expect((await (await http2Client(cutover)).ask({ ...GRPC, 'grpc-timeout': '1x' }, 'x')).status).toBe(200)
  })

  test('the time of the service gives DEADLINE_EXCEEDED as well', async () => {
    const server = await echoServer()
    const cutover = await startHttp2({ app: { ...WHOLE, servers: [server], timeouts: { response: '300ms' } } })
    expect((await unary(echoClient(cutover), 'never')).error?.code).toBe(grpc.status.DEADLINE_EXCEEDED)
  })
})

describe('the status of a call is its outcome', () => {
  test.each([
    [14, true],
    [13, true],
    [2, true],
    [15, true],
    [4, true],
    [12, true],
    [5, false],
    [3, false],
    [7, false],
    [8, false],
    [1, false],
  ])('%i: a failure of the server? %s', async (code, isFailure) => {
    const server = await echoServer()
    const other = await echoServer('other')
    const passive = { maxFails: 3, failTimeout: '60s' }
    const cutover = await startHttp2({ app: { ...WHOLE, servers: [server, other], passive } })
    const client = echoClient(cutover)
    for (let i = 0; i < 12; i++) expect((await unary(client, `fail ${code}`)).error?.code).toBe(code)
    const healths = async (): Promise<string[]> => {
      const { body } = await cutover.api('GET', '/api/services/app')
      return body.pools[0].servers.map(({ health }: { health: string }) => health)
    }
    if (isFailure) await until(async () => (await healths()).includes('ejected'))
    const { body } = await cutover.api('GET', '/api/stats?window=60s')
    await until(async () => (await cutover.api('GET', '/api/stats?window=60s')).body.services[0].requests === 12)
    const after = (await cutover.api('GET', '/api/stats?window=60s')).body.services[0]
    expect([after.errorRate, body.services.length]).toEqual([isFailure ? 1 : 0, 1])
    expect((await healths()).includes('ejected')).toBe(isFailure)
  })

  test('a refusal in the head is tried again at another server where the policy says so', async () => {
    const failing = await upstream2((stream) => {
      stream.respond({ ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '14' }, { endStream: true })
    })
    const server = await echoServer()
    const retry = { statuses: [503], methods: ['POST'], attempts: 2, budget: '100%' }
    const cutover = await startHttp2({ app: { ...WHOLE, servers: [failing, server], retry } })
    const client = echoClient(cutover)
    for (let i = 0; i < 4; i++) expect((await unary(client, 'x')).answer).toEqual({ text: 'server: x' })
    expect(failing.requests.length).toBeGreaterThan(0)
  })
})
