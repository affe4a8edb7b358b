import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Cutover } from '../support/cutover.ts'
import type { RawMessage } from '../support/raw-client.ts'
import { ask, connect, endAll, logged, speaking, startCutover } from './support.ts'

let cutover: Cutover
let server: Awaited<ReturnType<typeof speaking>>

beforeAll(async () => {
  server = await speaking(() => 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok')
  cutover = await startCutover({ any: { servers: [server], hosts: [] } })
})

beforeEach(() => {
  server.requests.length = 0
})

afterAll(endAll)

/** Sends these bytes; the answer must be of this status and the connection be closed, with nothing sent upstream. */
async function expectRefused(bytes: string, status: number): Promise<RawMessage> {
  const client = await connect(cutover)
  client.send(bytes)
  const response = await client.response()
  expect(response.status).toBe(status)
  expect(await client.rest()).toBe('')
  expect(server.requests).toEqual([])
  client.destroy()
  return response
}

describe('W8 what could be read in two ways is refused, and the connection closed', () => {
  const host = 'Host: app.test\r\n'

  test.each([
    ['two Hosts', `GET / HTTP/1.1\r\n${host}Host: other.test\r\n\r\n`, 400],
    ['the same Host twice', `GET / HTTP/1.1\r\n${host}${host}\r\n`, 400],
    ['no Host', 'GET / HTTP/1.1\r\nX: 1\r\n\r\n', 400],
    ['an empty Host', 'GET / HTTP/1.1\r\nHost:\r\n\r\n', 400],
    ['a Host with a path', 'GET / HTTP/1.1\r\nHost: app.test/x\r\n\r\n', 400],
    ['a Host with user information', 'GET / HTTP/1.1\r\nHost: me@app.test\r\n\r\n', 400],
    ['a Host with spaces', 'GET / HTTP/1.1\r\nHost: app.test other\r\n\r\n', 400],
    ['a Host with a port that is none', 'GET / HTTP/1.1\r\nHost: app.test:80x\r\n\r\n', 400],
    ['two Hosts in one', 'GET / HTTP/1.1\r\nHost: app.test, other.test\r\n\r\n', 400],
    ['a Host of bytes that are not ASCII', 'GET / HTTP/1.1\r\nHost: caf\xe9.test\r\n\r\n', 400],
    ['a fragment', `GET /a#b HTTP/1.1\r\n${host}\r\n`, 400],
    ['an asterisk', `GET * HTTP/1.1\r\n${host}\r\n`, 400],
    ['a target without a slash', `GET index.html HTTP/1.1\r\n${host}\r\n`, 400],
    ['bytes in the target that are not ASCII', `GET /caf\xe9 HTTP/1.1\r\n${host}\r\n`, 400],
    [
      'Content-Length and Transfer-Encoding',
      `POST / HTTP/1.1\r\n${host}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
      400,
    ],
    [
      'Transfer-Encoding and Content-Length',
      `POST / HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n`,
      400,
    ],
    ['two lengths', `POST / HTTP/1.1\r\n${host}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!`, 400],
    ['the same length twice', `POST / HTTP/1.1\r\n${host}Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello`, 400],
    ['a length that is none', `POST / HTTP/1.1\r\n${host}Content-Length: 5x\r\n\r\nhello`, 400],
    ['a negative length', `POST / HTTP/1.1\r\n${host}Content-Length: -5\r\n\r\nhello`, 400],
    ['a list of lengths', `POST / HTTP/1.1\r\n${host}Content-Length: 5, 5\r\n\r\nhello`, 400],
    ['Transfer-Encoding of HTTP/1.0', `POST / HTTP/1.0\r\n${host}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, 400],
    ['a space before the colon', `GET / HTTP/1.1\r\n${host}X-A : 1\r\n\r\n`, 400],
    ['a folded line', `GET / HTTP/1.1\r\n${host}X-A: 1\r\n 2\r\n\r\n`, 400],
    ['a NUL', `GET / HTTP/1.1\r\n${host}X-A: a\0b\r\n\r\n`, 400],
    ['a bare CR', `GET / HTTP/1.1\r\n${host}X-A: a\rb\r\n\r\n`, 400],
    ['gzip as a transfer coding', `POST / HTTP/1.1\r\n${host}Transfer-Encoding: gzip\r\n\r\n`, 501],
    ['gzip before chunked', `POST / HTTP/1.1\r\n${host}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`, 501],
    [
      'chunked behind gzip in a second line',
      `POST / HTTP/1.1\r\n${host}Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
      501,
    ],
    ['chunked twice', `POST / HTTP/1.1\r\n${host}Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n`, 400],
    ['TRACE', `TRACE / HTTP/1.1\r\n${host}\r\n`, 405],
    ['CONNECT', `CONNECT app.test:443 HTTP/1.1\r\nHost: app.test:443\r\n\r\n`, 405],
    ['a target that is too long', `GET /${'x'.repeat(9_000)} HTTP/1.1\r\n${host}\r\n`, 414],
    ['headers that are too large', `GET / HTTP/1.1\r\n${host}X-A: ${'x'.repeat(20_000)}\r\n\r\n`, 431],
  ])('%s', async (_what, bytes, status) => {
    await expectRefused(bytes, status)
  })

  test('405 says what is allowed', async () => {
    for (const head of ['TRACE /', 'CONNECT app.test:443']) {
      const allow = (await expectRefused(`${head} HTTP/1.1\r\nHost: app.test:443\r\n\r\n`, 405)).field('allow')
      expect(allow).toMatch(/\bGET\b.*\bPOST\b/)
      expect(allow).not.toMatch(/TRACE|CONNECT/)
    }
  })
})

test('a second request behind a refused one is not served', async () => {
  await expectRefused(
    'POST / HTTP/1.1\r\nHost: app.test\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: app.test\r\n\r\n',
    501,
  )
})

test('one that comes behind a served request is refused in its turn', async () => {
  const client = await connect(cutover)
  client.send('GET /1 HTTP/1.1\r\nHost: app.test\r\n\r\nGET /2 HTTP/1.1\r\nHost: app.test\r\nHost: b\r\n\r\n')
  expect((await client.response()).text).toBe('ok')
  expect((await client.response()).status).toBe(400)
  expect(await client.rest()).toBe('')
})

test('a refusal is an answer of its own: plain text, an id, a reason, a line in the log', async () => {
  const response = await expectRefused('GET /two-hosts HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n', 400)
  expect(response.field('content-type')).toBe('text/plain; charset=utf-8')
  expect(response.text).toBe('400 More than one Host.\n')
  expect(response.field('connection')).toBe('close')
  expect(response.field('proxy-status')).toBe('cutover; error=http_request_denied')
  const line = await logged(cutover, '/two-hosts')
  expect(line).toMatchObject({ status: 400, error: 'http_request_denied', service: '', server: '', attempts: 0 })
  expect(line.requestId).toBe(response.field('x-request-id'))
})

test.each([
  ['a port', 'app.test:8080'],
  ['an IPv4 address', '127.0.0.1'],
  ['an IPv6 address', '[::1]:8080'],
  ['capitals and the root’s dot', 'APP.Test.'],
  ['underscores', 'my_app.test'],
])('a Host with %s is fine', async (_what, host) => {
  const response = await ask(cutover, ['GET / HTTP/1.1', `Host: ${host}`])
  expect([response.status, server.requests[0]?.field('host')]).toEqual([200, host])
})

test('HTTP/1.0 needs no Host', async () => {
  expect((await ask(cutover, ['GET / HTTP/1.0'])).status).toBe(200)
})

test.each(['PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND', 'REPORT', 'PURGE', 'QUERY'])(
  '%s is forwarded',
  async (method) => {
    expect((await ask(cutover, [`${method} /x HTTP/1.1`, 'Host: app.test'])).status).toBe(200)
    expect(server.requests[0]?.startLine).toBe(`${method} /x HTTP/1.1`)
  },
)
