import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Cutover } from '../support/cutover.ts'
import { binary, RawConnection } from '../support/raw-client.ts'
import { until } from '../support/until.ts'
import { ask, connect, endAll, logged, metric, speaking, startCutover } from './support.ts'

const SEVEN = 'seven b'
/** More than goes out in one write with the head. */
const LONG = binary(20_000)

/** What the server says before it breaks off. */
const BEGINNINGS: Readonly<Record<string, Buffer>> = {
  length: Buffer.from(`HTTP/1.1 200 OK\r\nx-mine: 1\r\ncontent-length: 500\r\n\r\n${SEVEN}`),
  chunked: Buffer.from(`HTTP/1.1 200 OK\r\nx-mine: 1\r\ntransfer-encoding: chunked\r\n\r\n7\r\n${SEVEN}\r\n`),
  'half-chunk': Buffer.from(`HTTP/1.1 200 OK\r\nx-mine: 1\r\ntransfer-encoding: chunked\r\n\r\n20\r\n${SEVEN}`),
  'bad-chunk': Buffer.from(
    `HTTP/1.1 200 OK\r\nx-mine: 1\r\ntransfer-encoding: chunked\r\n\r\n7\r\n${SEVEN}\r\nnonsense\r\n`,
  ),
  'no-bytes': Buffer.from('HTTP/1.1 200 OK\r\nx-mine: 1\r\ncontent-length: 500\r\n\r\n'),
  long: Buffer.concat([Buffer.from('HTTP/1.1 200 OK\r\nx-mine: 1\r\ncontent-length: 900000\r\n\r\n'), LONG]),
}
/** Delimited by the end of the connection, so that only a reset breaks it off. */
const UNFRAMED = `HTTP/1.1 200 OK\r\nx-mine: 1\r\n\r\n${SEVEN}`

const socketPath = join(tmpdir(), `cutover-broken-${process.pid}.sock`)
let cutover: Cutover
/** Called once the held request may be answered. */
let release: (() => void) | undefined

beforeAll(async () => {
  const server = await speaking((request, { socket }) => {
    const [, path = ''] = request.startLine.split(/[ ?]/)
    const [, what = '', how] = path.split('/')
    if (what === 'fine') return 'HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nfine'
    if (what === 'held') {
      release = () => void socket.write('HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nheld')
      return undefined
    }
    const beginning = BEGINNINGS[what] ?? Buffer.from(UNFRAMED)
    socket.write(beginning, () => (how === 'reset' ? socket.resetAndDestroy() : socket.end()))
    return undefined
  })
  cutover = await startCutover(
    { app: { servers: [server] } },
    { proxy: { listen: ['127.0.0.1:0', `unix:${socketPath}`] } },
  )
})

afterAll(endAll)

function bodyOf(what: string): string {
  return what === 'no-bytes' ? '' : what === 'long' ? LONG.toString('latin1') : SEVEN
}

describe.each(Object.keys(BEGINNINGS))('W1 a response breaks off (%s)', (what) => {
  test.each(['end', 'reset'])('by %s: the client sees the head, the bytes, and an abort', async (how) => {
    const path = `/${what}/${how}`
    const response = await ask(cutover, [`GET ${path} HTTP/1.1`, 'host: app.test'])
    expect([response.status, response.field('x-mine')]).toEqual([200, '1'])
    expect(response.text === bodyOf(what)).toBe(true)
    expect(response.ending).not.toBe('framed')
    const { status, bytes, error } = await logged(cutover, path)
    expect([status, bytes]).toEqual([200, bodyOf(what).length])
    expect(error).toBe(what === 'bad-chunk' ? 'http_protocol_error' : 'connection_terminated')
  })

  test('an HTTP/1.0 client, who gets it delimited by length or by the end, sees it too', async () => {
    const response = await ask(cutover, [`GET /${what}/end?1.0 HTTP/1.0`, 'host: app.test'])
    expect([response.status, response.field('transfer-encoding')]).toEqual([200, undefined])
    expect(response.text === bodyOf(what)).toBe(true)
    // Without a length, the end of the connection would be the end of the body: only a reset says otherwise.
    expect(response.ending).toBe(response.field('content-length') === undefined ? 'reset' : 'fin')
  })
})

describe('W1 a response without framing', () => {
  test('that is reset breaks off to the client', async () => {
    const response = await ask(cutover, ['GET /unframed/reset HTTP/1.1', 'host: app.test'])
    expect([response.status, response.text]).toEqual([200, SEVEN])
    expect(response.ending).not.toBe('framed')
  })

  test('that is reset breaks off to an HTTP/1.0 client', async () => {
    const response = await ask(cutover, ['GET /unframed/reset?1.0 HTTP/1.0', 'host: app.test'])
    expect([response.status, response.text, response.ending]).toEqual([200, SEVEN, 'reset'])
  })

  test('that ends, ends', async () => {
    const response = await ask(cutover, ['GET /unframed/end HTTP/1.1', 'host: app.test'])
    expect([response.text, response.ending]).toEqual([SEVEN, 'framed'])
  })
})

test('W1 behind a pipelined request: that one is answered whole, then this one breaks off', async () => {
  const client = await connect(cutover)
  client.send(
    'GET /held/1 HTTP/1.1\r\nhost: app.test\r\n\r\nGET /length/end?pipelined HTTP/1.1\r\nhost: app.test\r\n\r\n',
  )
  await until(() => release !== undefined, 2_000)
  release?.()
  expect((await client.response()).text).toBe('held')
  const broken = await client.response()
  expect([broken.status, broken.text]).toEqual([200, SEVEN])
  expect(broken.ending).not.toBe('framed')
})

test('W1 over a Unix socket, where nothing can be reset: the connection ends, and nothing is left behind', async () => {
  const socket = net.connect(socketPath)
  const client = new RawConnection(socket)
  client.send('GET /chunked/end?unix HTTP/1.0\r\nhost: app.test\r\n\r\n')
  const response = await client.response()
  expect([response.status, response.text]).toEqual([200, SEVEN])
  socket.destroy()
  await until(async () => (await metric(cutover, 'cutover_requests_in_flight')) === 0, 1_000)
})

test('a refused upgrade whose answer breaks off', async () => {
  const lines = ['GET /length/end?upgrade HTTP/1.1', 'host: app.test', 'connection: upgrade', 'upgrade: websocket']
  const response = await ask(cutover, lines)
  expect([response.status, response.text]).toEqual([200, SEVEN])
  expect(response.ending).not.toBe('framed')
})

test('after all this the server is asked as before', async () => {
  const response = await ask(cutover, ['GET /fine HTTP/1.1', 'host: app.test'])
  expect([response.status, response.text, response.ending]).toEqual([200, 'fine', 'framed'])
  expect(await metric(cutover, 'cutover_requests_in_flight')).toBe(0)
})
