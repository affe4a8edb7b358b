import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Cutover } from '../support/cutover.ts'
import { until } from '../support/until.ts'
import { connect, endAll, metric, startCutover, upstream } from './support.ts'

let cutover: Cutover
let server: Awaited<ReturnType<typeof upstream>>

beforeAll(async () => {
  server = await upstream()
  cutover = await startCutover({ app: { servers: [server] } }, { proxy: { timeouts: { header: '1s' } } })
})

afterAll(endAll)

const HOST = 'Host: app.test\r\n'

/** Lines of the access log with this status, once there are as many. */
async function lines(status: number, count: number): Promise<Record<string, unknown>[]> {
  const found = () => cutover.accessLog().filter((line) => line.status === status)
  await until(() => found().length >= count, 10_000)
  return found()
}

const counted = (status: number) =>
  metric(cutover, 'cutover_requests_total', `service="",pool="",version="",code="${status}"`)

describe('what is refused before it is a request is counted and logged like any other', () => {
  test.each([
    [
      'Content-Length beside Transfer-Encoding',
      `POST /cl-te HTTP/1.1\r\n${HOST}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n`,
      400,
      'POST',
      '/cl-te',
    ],
    ['two lengths', `POST /two HTTP/1.1\r\n${HOST}Content-Length: 5\r\nContent-Length: 6\r\n\r\n`, 400, 'POST', '/two'],
    ['a space before a colon', `GET /space HTTP/1.1\r\nHost : a\r\n\r\n`, 400, 'GET', '/space'],
    ['no HTTP at all', '\x16\x03\x01\x02\x00\x01\x00\x01\r\n\r\n', 400, '', ''],
    ['an unknown method', `BREW /pot HTTP/1.1\r\n${HOST}\r\n`, 501, 'BREW', '/pot'],
    ['another version', `GET /two HTTP/2.0\r\n${HOST}\r\n`, 505, 'GET', '/two'],
    ['too large a header', `GET /large HTTP/1.1\r\n${HOST}X: ${'x'.repeat(60_000)}\r\n\r\n`, 431, null, null],
    ['CONNECT', `CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n`, 405, 'CONNECT', 'a.test:443'],
  ])('%s', async (_what, bytes, status, method, target) => {
    const [already, before] = [
      cutover.accessLog().filter((line) => line.status === status).length,
      await counted(status),
    ]
    const client = await connect(cutover)
    client.send(bytes)
    const response = await client.response()
    expect(response.status).toBe(status)
    expect(response.field('connection')).toBe('close')
    const line = (await lines(status, already + 1)).at(-1)
    expect(line).toMatchObject({ client: '127.0.0.1', status, service: '', server: '', attempts: 0 })
    // A header that is too large may have come in several packets, of which only the last one is still there.
    if (method !== null) expect(line).toMatchObject({ method, target })
    expect(line).toMatchObject({ error: 'http_request_denied', requestId: response.field('x-request-id') })
    expect(response.field('proxy-status')).toBe('cutover; error=http_request_denied')
    expect(await counted(status)).toBe(before + 1)
    await client.closed()
  })

  test('one that comes behind others is told from them', async () => {
    const already = cutover.accessLog().filter(({ status }) => status === 501).length
    const client = await connect(cutover)
    client.send(
      `GET /first HTTP/1.1\r\n${HOST}\r\nGET /second HTTP/1.1\r\n${HOST}\r\nFROB /third HTTP/1.1\r\n${HOST}\r\n`,
    )
    expect((await client.response()).status).toBe(200)
    expect((await client.response()).status).toBe(200)
    expect((await client.response()).status).toBe(501)
    expect((await lines(501, already + 1)).at(-1)).toMatchObject({ method: 'FROB', target: '/third' })
  })

  test('a header that does not come in time: 408', async () => {
    const before = await counted(408)
    const client = await connect(cutover)
    client.send('GET /slow HTTP/1.1\r\nHost: a')
    expect((await client.response()).status).toBe(408)
    await lines(408, 1)
    expect(await counted(408)).toBe(before + 1)
  })

  test('a connection on which nothing has come is no request', async () => {
    const before = await counted(408)
    const silent = await connect(cutover)
    await silent.closed()
    // Whatever becomes of it is written and counted by the time that this is.
    const client = await connect(cutover)
    client.send('GET /slow-again HTTP/1.1\r\nHost: a')
    await client.response()
    expect(await counted(408)).toBe(before + 1)
  })
})
