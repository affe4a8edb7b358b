import { afterAll, beforeAll, expect, test } from 'vitest'
import { RawConnection } from '../support/raw-client.ts'
import { Edge } from './support.ts'

let edge: Edge
/** Plain listeners: with the defaults, with a port and a status, and behind a trusted proxy. */
let plain: readonly string[]
beforeAll(async () => {
  edge = await Edge.start({
    others: [
      { address: '127.0.0.1:0', redirectToHttps: true },
      { address: '127.0.0.1:0', redirectToHttps: { port: 8443, status: 301 } },
    ],
  })
  const { body } = await edge.cutover.api('GET', '/metrics')
  const names = [...body.matchAll(/^cutover_connections\{listener="(127\.0\.0\.1:\d+)"\}/gm)].map(
    ([, name]) => `http://${name}`,
  )
  const [, , ...printed] = /^cutover ready: proxy (\S+) (\S+) (\S+),/m.exec(edge.cutover.stdout) ?? []
  expect(names).toEqual(expect.arrayContaining(printed))
  plain = printed
})
afterAll(() => edge.stop())

async function ask(listener: number, ...lines: string[]) {
  const client = await RawConnection.connect(plain[listener] as string)
  const answer = await client.ask(lines)
  client.destroy()
  return answer
}

test('a request is redirected to https: host without its port, path byte for byte', async () => {
  const answer = await ask(0, 'GET /a%2Fb//c/./d?x=a;b&y=%x&z={} HTTP/1.1', 'Host: Shop.test:8080')
  expect([answer.status, answer.field('location')]).toEqual([308, 'https://Shop.test/a%2Fb//c/./d?x=a;b&y=%x&z={}'])
  expect(answer.field('connection')).toBe('keep-alive')
  expect(answer.field('x-request-id')).toMatch(/./)
})

test('with a port and a status of its own', async () => {
  const answer = await ask(1, 'GET /a HTTP/1.1', 'Host: shop.test')
  expect([answer.status, answer.field('location')]).toEqual([301, 'https://shop.test:8443/a'])
  const ipv6 = await ask(1, 'GET /a HTTP/1.1', 'Host: [::1]:80')
  expect(ipv6.field('location')).toBe('https://[::1]:8443/a')
})

test('whatever the method, and on one connection', async () => {
  const client = await RawConnection.connect(plain[0] as string)
  for (const method of ['HEAD', 'OPTIONS', 'DELETE', 'PUT']) {
    const answer = await client.ask([`${method} /x HTTP/1.1`, 'Host: a'])
    expect([method, answer.status, answer.field('location')]).toEqual([method, 308, 'https://a/x'])
  }
  const posted = await client.ask(['POST /x HTTP/1.1', 'Host: a', 'Content-Length: 5'], 'hello')
  expect(posted.status).toBe(308)
  expect((await client.ask(['GET http://a/y HTTP/1.1', 'Host: a'])).field('location')).toBe('https://a/y')
  client.destroy()
})

test.each([
  [['GET / HTTP/1.1'], 400],
  [['GET / HTTP/1.1', 'Host: a', 'Host: b'], 400],
  [['GET / HTTP/1.1', 'Host: a b'], 400],
  [['GET / HTTP/1.1', 'Host: a/b'], 400],
  [['GET http://b/ HTTP/1.1', 'Host: a'], 400],
  [['GET /#x HTTP/1.1', 'Host: a'], 400],
  [['GET / HTTP/1.0'], 400],
  [['TRACE / HTTP/1.1', 'Host: a'], 405],
  [['POST / HTTP/1.1', 'Host: a', 'Content-Length: 1', 'Transfer-Encoding: chunked'], 400],
] as const)('an ambiguous request is refused, not redirected: %j', async (lines, status) => {
  const answer = await ask(0, ...lines)
  expect([answer.status, answer.field('location')]).toEqual([status, undefined])
})

test('redirects are logged and counted as all answers, and nothing reaches a server', async () => {
  const seen = edge.server.requests.length
  await ask(0, 'GET /logged HTTP/1.1', 'Host: a')
  const { body } = await edge.cutover.api('GET', '/metrics')
  expect(body).toMatch(/^cutover_requests_total\{service="",pool="",version="",code="308"\} [1-9]/m)
  await edge.cutover.printed(/"target":"\/logged","status":308/)
  expect(edge.server.requests).toHaveLength(seen)
})

test('a request that came to a trusted proxy by https is served', async () => {
  const behind = await Edge.start({
    proxy: { trustedProxies: ['127.0.0.1'] },
    others: [{ address: '127.0.0.1:0', redirectToHttps: true }],
  })
  try {
    const [, , url = ''] = /^cutover ready: proxy (\S+) (\S+),/m.exec(behind.cutover.stdout) ?? []
    const client = await RawConnection.connect(url)
    expect((await client.ask(['GET / HTTP/1.1', 'Host: a', 'X-Forwarded-Proto: https'])).status).toBe(200)
    expect((await client.ask(['GET / HTTP/1.1', 'Host: a', 'X-Forwarded-Proto: http'])).status).toBe(308)
    client.destroy()
  } finally {
    await behind.stop()
  }
})
