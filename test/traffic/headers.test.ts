import { describe, expect, test } from 'vitest'
import { ask, define, pool, raw, start, upstream } from './support.ts'

async function app(headers: object, servers: object = {}, more: object = {}) {
  const blue = await upstream('blue1')
  const pools = { blue: { ...pool(blue), ...servers } }
  return { cutover: await define('shop', { pools, headers, ...more }), blue }
}

const lastOf = (blue: {
  requests: readonly { headers: NodeJS.Dict<string | string[]>; rawHeaders: readonly string[] }[]
}) => {
  const last = blue.requests.at(-1)
  if (last === undefined) throw new Error('no request has arrived')
  return last
}

describe('requests', () => {
  test('fields are set, replaced and removed, with placeholders', async () => {
    const { cutover, blue } = await app(
      {
        request: {
          set: {
            'X-Tier': 'gold',
            'X-Who': '{client} {host} {service}/{pool}@{version}/{server} {requestId}',
            Host: 'app.internal',
          },
          remove: ['X-Secret', 'accept-language'],
        },
      },
      { version: '1.4.2' },
    )
    const sent = { 'x-tier': 'spoofed', 'X-SECRET': '1', 'x-stays': 'yes', 'accept-language': 'en' }
    const { status, headers } = await ask(cutover, '/', { headers: sent })
    expect(status).toBe(200)
    const got = lastOf(blue).headers
    expect(got).toMatchObject({ 'x-tier': 'gold', host: 'app.internal', 'x-stays': 'yes' })
    expect(got['x-who']).toBe(
      `127.0.0.1 ${new URL(cutover.proxy).host} shop/blue@1.4.2/blue1 ${headers.get('x-request-id')}`,
    )
    expect([got['x-secret'], got['accept-language']]).toEqual([undefined, undefined])
    expect(lastOf(blue).rawHeaders.filter((name) => /^(x-tier|host)$/i.test(name))).toHaveLength(2)
    expect(got['x-forwarded-host']).toBe(new URL(cutover.proxy).host)
  })

  test('fields that Cutover sets can be replaced', async () => {
    const { cutover, blue } = await app({ request: { set: { 'X-Forwarded-Proto': 'https' }, remove: ['traceparent'] } })
    await ask(cutover)
    expect(lastOf(blue).headers).toMatchObject({ 'x-forwarded-proto': 'https' })
    expect(lastOf(blue).headers.traceparent).toBeUndefined()
  })

  test('a body arrives whole', async () => {
    const { cutover, blue } = await app({ request: { set: { 'X-A': '1' } } })
    await ask(cutover, '/', { method: 'POST', body: 'x'.repeat(100_000) })
    expect(blue.requests.at(-1)?.body).toHaveLength(100_000)
  })
})

describe('responses', () => {
  test('fields are set, replaced and removed, with placeholders; bodies stay', async () => {
    const blue = await upstream('blue1', (_request, response) => {
      response
        .setHeader('Server', 'app')
        .setHeader('x-a', ['1', '2'])
        .setHeader('set-cookie', ['a=1', 'b=2'])
        .end('body')
    })
    const cutover = await define('shop', {
      pools: { blue: { ...pool(blue), version: '1.5.0' } },
      splitBy: 'cookie',
      headers: {
        response: {
          set: { 'X-App-Version': '{version}', 'x-a': '3', 'Report-To': '{"group":"a"}' },
          remove: ['server', 'Via', 'Set-Cookie'],
        },
      },
    })
    const { body, headers } = await ask(cutover)
    expect(body).toBe('body')
    expect(Object.fromEntries(headers)).toMatchObject({
      'x-app-version': '1.5.0',
      'x-a': '3',
      'report-to': '{"group":"a"}',
    })
    expect([headers.get('server'), headers.get('via')]).toEqual([null, null])
    // Cookies of Cutover itself are not the app's.
    expect(headers.getSetCookie()).toEqual([expect.stringMatching(/^cutover_id=/)])
  })

  test('the answers of Cutover itself for this service have them, too', async () => {
    const { cutover } = await app(
      { response: { set: { 'Strict-Transport-Security': 'max-age=31536000', 'X-Pool': '[{pool}]' } } },
      { servers: {} },
    )
    const { status, headers } = await ask(cutover)
    expect([status, headers.get('strict-transport-security'), headers.get('x-pool')]).toEqual([
      503,
      'max-age=31536000',
      '[]',
    ])
  })

  test('a switch of protocols has them', async () => {
    const { cutover, blue } = await app({
      response: { set: { 'X-Pool': '{pool}' } },
      request: { set: { 'X-In': '1' } },
    })
    blue.server.on('upgrade', (request, socket) => {
      socket.end(
        `HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\nX-Got: ${request.headers['x-in']}\r\n\r\n`,
      )
    })
    const connection = await raw(cutover)
    const { startLine, fields } = await connection.ask([
      'GET / HTTP/1.1',
      'Host: a',
      'Connection: upgrade',
      'Upgrade: x',
    ])
    expect(startLine).toContain(' 101 ')
    expect(Object.fromEntries(fields)).toMatchObject({ 'X-Pool': 'blue', 'X-Got': '1', Upgrade: 'x' })
  })
})

test('characters that no field may hold are replaced, so that a version cannot add a line', async () => {
  // The second byte of U+010A is a line feed, that of U+010D a carriage return.
  const { cutover, blue } = await app(
    { request: { set: { 'X-V': '{version}' } }, response: { set: { 'X-V': '{version}' } } },
    { version: 'v1\u010d\u010aX-Evil: 1é' },
  )
  const { headers } = await ask(cutover)
  expect([headers.get('x-v'), headers.get('x-evil')]).toEqual(['v1??X-Evil: 1é', null])
  expect([lastOf(blue).headers['x-v'], lastOf(blue).headers['x-evil']]).toEqual(['v1??X-Evil: 1é', undefined])
})

test('values whose names suggest secrets are hidden in the definition that the API shows', async () => {
  const { cutover } = await app({ request: { set: { Authorization: 'Basic c2VjcmV0', 'X-A': '1' } } })
  const { body } = await cutover.api('GET', '/api/services/shop/definition')
  expect(body.written.headers.request.set).toEqual({ Authorization: '(hidden)', 'X-A': '1' })
})

test('an invalid header is refused when the file is read, with every problem', async () => {
  const services = { shop: { pools: { blue: {} }, headers: { request: { set: { te: 'x' }, remove: ['via'] } } } }
  await expect(start({ services })).rejects.toThrow(
    /headers\.request\.set\.te: cannot[\s\S]*headers\.request\.remove\[0\]/,
  )
})
