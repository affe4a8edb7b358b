import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Cutover } from '../support/cutover.ts'
import type { RawMessage } from '../support/raw-client.ts'
import { freePort } from '../support/upstream.ts'
import { ask, connect, endAll, logged, metric, speaking, startCutover } from './support.ts'

let cutover: Cutover
let ports: number[]

beforeAll(async () => {
  const refusing = await freePort()
  const resetting = await speaking((_request, { socket }) => void socket.resetAndDestroy())
  const babbling = await speaking(() => 'nonsense\r\n\r\n')
  const silent = await speaking(() => undefined)
  const alive = await speaking(() => 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok')
  ports = [refusing, resetting.port, babbling.port, silent.port]
  cutover = await startCutover({
    refusing: { servers: [{ port: refusing }] },
    resetting: { servers: [resetting] },
    babbling: { servers: [babbling] },
    silent: { servers: [silent], timeouts: { response: '300ms' } },
    nameless: { servers: [], pools: { main: { servers: { a: 'http://does-not-exist.invalid:80' } } } },
    down: { servers: [{ port: refusing }], health: { interval: '1h' } },
    part: { servers: [alive], paths: ['/only'] },
  })
})

afterAll(endAll)

/** What every answer of our own has, and has not. */
function expectOwn(response: RawMessage, status: number, error: string): void {
  expect(response.status).toBe(status)
  expect(response.field('content-type')).toBe('text/plain; charset=utf-8')
  expect(response.field('content-length')).toBe(String(response.body.length))
  expect(response.field('x-request-id')).toMatch(/^[\w-]{10,64}$/)
  expect(response.field('proxy-status')).toBe(`cutover; error=${error}`)
  expect(response.text).toMatch(new RegExp(`^${status} [A-Z][A-Za-z ]+\\.\\n$`))
  const all = [response.startLine, ...response.fields.map(([, value]) => value), response.text].join('\n')
  expect(all).not.toMatch(/127\.0\.0\.1|localhost|ECONN|ENOTFOUND|invalid|undici|node:|\.ts/)
  for (const port of ports) expect(all).not.toContain(String(port))
}

describe('an answer of our own says why, and nothing from inside', () => {
  test.each([
    ['refusing', 502, 'connection_refused', 1],
    ['resetting', 502, 'connection_terminated', 2],
    ['babbling', 502, 'http_protocol_error', 1],
    ['silent', 504, 'http_response_timeout', 1],
    ['nameless', 502, 'dns_error', 1],
    ['down', 503, 'destination_unavailable', 0],
    ['unknown', 404, 'destination_not_found', 0],
    ['part', 404, 'destination_not_found', 0],
  ])('%s: %i %s', async (service, status, error, attempts) => {
    const client = await connect(cutover)
    const response = await client.ask([`GET /of-${service} HTTP/1.1`, `host: ${service}.test`])
    expectOwn(response, status, error)
    expect(response.field('retry-after')).toBe(status === 503 ? '1' : undefined)
    expect(await logged(cutover, `/of-${service}`)).toMatchObject({
      status,
      error,
      requestId: response.field('x-request-id'),
      service: status === 404 ? '' : service,
      attempts,
    })
    // The connection is none the worse for it.
    expect((await client.ask(['GET /only HTTP/1.1', 'host: part.test'])).text).toBe('ok')
  })

  test.each(['refusing', 'unknown'])('HEAD has the head of it, and no body (%s)', async (service) => {
    const client = await connect(cutover)
    const response = await client.ask(['HEAD / HTTP/1.1', `host: ${service}.test`])
    expect(response.status).toBe(service === 'unknown' ? 404 : 502)
    expect(Number(response.field('content-length'))).toBeGreaterThan(0)
    expect((await client.ask(['GET /only HTTP/1.1', 'host: part.test'])).text).toBe('ok')
  })
})

test('they are counted under the service that was meant, or under none', async () => {
  const before = await metric(cutover, 'cutover_requests_total', 'service="",pool="",version="",code="404"')
  await ask(cutover, ['GET / HTTP/1.1', 'host: nobody.test'])
  expect(await metric(cutover, 'cutover_requests_total', 'service="",pool="",version="",code="404"')).toBe(before + 1)
  await ask(cutover, ['GET / HTTP/1.1', 'host: refusing.test'])
  expect(
    await metric(cutover, 'cutover_requests_total', 'service="refusing",pool="main",version="1.0",code="502"'),
  ).toBeGreaterThan(0)
  await ask(cutover, ['GET / HTTP/1.1', 'host: down.test'])
  expect(
    await metric(cutover, 'cutover_requests_total', 'service="down",pool="",version="",code="503"'),
  ).toBeGreaterThan(0)
})

test('a body that nobody takes does not keep the client from its answer, nor from the next', async () => {
  const client = await connect(cutover)
  const body = Buffer.alloc(1_000_000)
  for (const service of ['unknown', 'refusing', 'down']) {
    const lines = ['POST / HTTP/1.1', `host: ${service}.test`, `content-length: ${body.length}`]
    expect((await client.ask(lines, body)).status).toBe({ unknown: 404, refusing: 502, down: 503 }[service])
  }
  expect((await client.ask(['GET /only HTTP/1.1', 'host: part.test'])).text).toBe('ok')
})
