import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Cutover } from '../support/cutover.ts'
import { binary, inChunks } from '../support/raw-client.ts'
import type { Upstream } from '../support/upstream.ts'
import { connect, endAll, startCutover, upstream } from './support.ts'

let cutover: Cutover
let server: Upstream

beforeAll(async () => {
  server = await upstream(async (request, response) => {
    const [, what, count = '0'] = (request.url ?? '').split('/')
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    // The earlier a request, the later its answer.
    if (what === 'slow') setTimeout(() => response.end(`slow ${count}`), 100 - 10 * Number(count))
    else if (what === 'large') response.setHeader('content-length', count).end(binary(Number(count)))
    else response.end(Buffer.concat([Buffer.from(`${what} ${count} `), ...chunks]))
  })
  cutover = await startCutover({ app: { servers: [server] } })
})

afterAll(endAll)

function get(path: string): string {
  return `GET ${path} HTTP/1.1\r\nhost: app.test\r\n\r\n`
}

test('requests sent in one go are answered in their order, however long each takes', async () => {
  const client = await connect(cutover)
  const counts = Array.from({ length: 10 }, (_, i) => i)
  client.send(counts.map((i) => get(`/slow/${i}`)).join(''))
  for (const i of counts) expect((await client.response()).text).toBe(`slow ${i}`)
  expect(client.hasMore).toBe(false)
})

test('with bodies, large answers, and a segment of its own for every byte of the middle one', async () => {
  const client = await connect(cutover)
  const body = binary(100_000)
  client.send('POST /echo/1 HTTP/1.1\r\nhost: app.test\r\ntransfer-encoding: chunked\r\n\r\n')
  client.send(Buffer.concat([inChunks(body, 7_000), Buffer.from(get('/large/400000'))]))
  for (const byte of get('/echo/2')) {
    client.send(byte)
    await new Promise((resolve) => setImmediate(resolve))
  }
  client.send(
    `${get('/large/10')}PUT /echo/3 HTTP/1.1\r\nhost: app.test\r\ncontent-length: 4\r\n\r\nbody${get('/echo/4')}`,
  )
  expect((await client.response()).body.equals(Buffer.concat([Buffer.from('echo 1 '), body]))).toBe(true)
  expect((await client.response()).body.equals(binary(400_000))).toBe(true)
  expect((await client.response()).text).toBe('echo 2 ')
  expect((await client.response()).body.equals(binary(10))).toBe(true)
  expect((await client.response()).text).toBe('echo 3 body')
  expect((await client.response()).text).toBe('echo 4 ')
})

test('HEAD, an unknown host and a server’s answer in turn', async () => {
  const client = await connect(cutover)
  client.send('HEAD /large/50 HTTP/1.1\r\nhost: app.test\r\n\r\nGET / HTTP/1.1\r\nhost: nobody.test\r\n\r\n')
  client.send(get('/echo/9'))
  expect((await client.response('HEAD')).field('content-length')).toBe('50')
  expect((await client.response()).status).toBe(404)
  expect((await client.response()).text).toBe('echo 9 ')
})

test('behind Connection: close nothing is served', async () => {
  const client = await connect(cutover)
  client.send(get('/slow/1') + get('/slow/2').replace('\r\n\r\n', '\r\nconnection: close\r\n\r\n'))
  expect((await client.response()).text).toBe('slow 1')
  const response = await client.response()
  expect([response.text, response.field('connection')]).toEqual(['slow 2', 'close'])
  client.send(get('/echo/ignored'))
  expect(await client.rest()).toBe('')
  expect(server.requests.map(({ url }) => url)).not.toContain('/echo/ignored')
})
