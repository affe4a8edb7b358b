import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Cutover } from '../support/cutover.ts'
import type { RawConnection } from '../support/raw-client.ts'
import { connect, endAll, rawUpstream, speaking, startCutover } from './support.ts'

const GET = (target: string, more = '') => `GET ${target} HTTP/1.1\r\nhost: app.test\r\n${more}\r\n`
const OK = (text: string) => `HTTP/1.1 200 OK\r\ncontent-length: ${text.length}\r\n\r\n${text}`

let cutover: Cutover
let odd: Awaited<ReturnType<typeof speaking>>
/** What the odd server answers. */
let said = ''
const arrived: { connection: RawConnection; target: string }[] = []
let wake = () => {}

beforeAll(async () => {
  const server = await rawUpstream(async (connection) => {
    for (;;) {
      const request = await connection.request().catch(() => null)
      if (request === null) return
      arrived.push({ connection, target: request.startLine.split(' ')[1] ?? '' })
      wake()
    }
  })
  odd = await speaking(() => said)
  const once = { retry: { attempts: 1 }, passive: { maxFails: 0 } }
  cutover = await startCutover({ app: { servers: [server], ...once }, odd: { servers: [odd], ...once } })
})

afterAll(endAll)

/** The server's end of the request for a target, once it is there. */
async function at(target: string): Promise<RawConnection> {
  for (;;) {
    const found = arrived.find((each) => each.target === target)
    if (found !== undefined) return found.connection
    await new Promise<void>((resolve) => {
      wake = resolve
    })
  }
}

test.each([
  ['a malformed request', 'GET / HTTP/1.1\r\nhost : a\r\n\r\n', 400],
  ['an unknown method', 'BREW / HTTP/1.1\r\nhost: a\r\n\r\n', 501],
  ['CONNECT', 'CONNECT a:1 HTTP/1.1\r\nhost: a:1\r\n\r\n', 405],
  [
    'an upgrade that is refused',
    'GET /up HTTP/1.1\r\nhost: none.test\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n',
    404,
  ],
])('%s behind a request under way is answered after it', async (what, wrong, status) => {
  const target = `/slow-${what.replaceAll(' ', '-')}`
  const client = await connect(cutover)
  client.send(GET(target) + wrong)
  const server = await at(target)
  // What comes after it is answered: by now everything has been read, and nothing may have been said out of turn.
  said = OK('later')
  expect((await (await connect(cutover)).ask(['GET / HTTP/1.1', 'host: odd.test'])).text).toBe('later')
  expect(client.hasMore).toBe(false)
  server.send(OK('first'))
  const first = await client.response()
  expect([first.status, first.text]).toEqual([200, 'first'])
  expect((await client.response()).status).toBe(status)
  if (status !== 404) expect(await client.closed()).toBe('fin')
})

test('what comes behind a request with Connection: close is dropped, and the request answered', async () => {
  const client = await connect(cutover)
  client.send(GET('/last', 'connection: close\r\n') + GET('/behind'))
  ;(await at('/last')).send(OK('last'))
  const response = await client.response()
  expect([response.status, response.text]).toEqual([200, 'last'])
  expect(await client.closed()).toBe('fin')
  expect(arrived.map(({ target }) => target)).not.toContain('/behind')
})

test.each([
  ['h2c', GET('/h2c', 'connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n')],
  [
    'a body and an upgrade',
    'POST /h2c-body HTTP/1.1\r\nhost: app.test\r\nconnection: upgrade\r\nupgrade: h2c\r\ncontent-length: 4\r\n\r\nbody',
  ],
])(
  'an upgrade that is not followed (%s) is answered, and nothing behind it is taken for a request',
  async (what, request) => {
    const target = what === 'h2c' ? '/h2c' : '/h2c-body'
    const client = await connect(cutover)
    client.send(`${request}POST /hidden HTTP/1.1\r\nhost: app.test\r\ncontent-length: 50\r\n\r\n`)
    ;(await at(target)).send(OK('plain'))
    client.send(GET('/smuggled'))
    const response = await client.response()
    expect([response.status, response.text, response.field('connection')]).toEqual([200, 'plain', 'keep-alive'])
    // The hidden request is one, and this is its body.
    said = OK('later')
    expect((await (await connect(cutover)).ask(['GET / HTTP/1.1', 'host: odd.test'])).text).toBe('later')
    expect(arrived.map(({ target: each }) => each)).not.toContain('/smuggled')
  },
)

test('an answer that ends the connection reaches a client that goes on sending', async () => {
  const client = await connect(cutover)
  client.send(
    'POST /x HTTP/1.1\r\nhost: nowhere.test\r\nconnection: close\r\ncontent-length: 10000000\r\n\r\nbeginning',
  )
  for (let i = 0; i < 20; i++) client.send(Buffer.alloc(100_000))
  const response = await client.response()
  expect([response.status, response.ending]).toEqual([404, 'framed'])
  expect(await client.closed()).toBe('fin')
})

test('bytes beyond ASCII in fields go as they came, also where the header goes out by itself', async () => {
  const client = await connect(cutover)
  client.send(GET('/latin1'))
  const server = await at('/latin1')
  server.send('HTTP/1.1 200 OK\r\nx-name: caf\xe9\r\ncontent-length: 5\r\n\r\n')
  const head = await client.head()
  expect(head.field('x-name')).toBe('caf\xe9')
  server.send('later')
  expect((await client.bytes(5)).toString()).toBe('later')
})

test.each([
  ['HTTP/2.0 200 OK\r\ncontent-length: 2\r\n\r\nok', 502],
  ['HTTP/0.9 200 OK\r\ncontent-length: 2\r\n\r\nok', 502],
  ['HTTP/1.1 1000 OK\r\ncontent-length: 2\r\n\r\nok', 502],
  ['HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok', 200],
])('a server that says %j', async (answer, status) => {
  said = answer
  const client = await connect(cutover)
  expect((await client.ask(['GET / HTTP/1.1', 'host: odd.test'])).status).toBe(status)
})

test('a 204 loses its Content-Length', async () => {
  said = 'HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n'
  const client = await connect(cutover)
  const response = await client.ask(['GET / HTTP/1.1', 'host: odd.test'])
  expect([response.status, response.field('content-length')]).toEqual([204, undefined])
})

test('Connection: close of HTTP/1.0 holds, whatever Proxy-Connection says', async () => {
  said = OK('ok')
  const client = await connect(cutover)
  client.send('GET / HTTP/1.0\r\nhost: odd.test\r\nconnection: close\r\nproxy-connection: keep-alive\r\n\r\n')
  expect((await client.response()).text).toBe('ok')
  expect(await client.closed()).toBe('fin')
})

test('a large answer goes on to a slow reader that has asked for an upgrade behind it', async () => {
  const client = await connect(cutover)
  client.socket.pause()
  client.send(`${GET('/large')}GET /up-next HTTP/1.1\r\nhost: app.test\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n`)
  const length = 8_000_000
  ;(await at('/large')).send(`HTTP/1.1 200 OK\r\ncontent-length: ${length}\r\n\r\n`).send(Buffer.alloc(length))
  client.socket.resume()
  expect((await client.response()).body.length).toBe(length)
  ;(await at('/up-next')).send('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\nhello')
  expect((await client.head()).status).toBe(101)
  expect((await client.bytes(5)).toString()).toBe('hello')
})

test('an upgrade behind a request that was refused is not taken', async () => {
  const client = await connect(cutover)
  const upgrade = 'connection: upgrade\r\nupgrade: websocket\r\n\r\n'
  client.send(
    `GET /two HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\nGET /behind-refused HTTP/1.1\r\nhost: app.test\r\n${upgrade}`,
  )
  expect((await client.response()).status).toBe(400)
  expect(await client.closed()).toBe('fin')
  // Had it been taken, it would have arrived before what is asked for after it.
  const other = await connect(cutover)
  other.send(GET('/after-refused'))
  await at('/after-refused')
  expect(arrived.map(({ target }) => target)).not.toContain('/behind-refused')
})
