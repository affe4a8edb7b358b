import { once } from 'node:events'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Cutover } from '../support/cutover.ts'
import { inChunks, type RawConnection } from '../support/raw-client.ts'
import { connect, endAll, speaking, startCutover } from './support.ts'

const OFFER = ['host: app.test', 'connection: Upgrade, HTTP2-Settings', 'upgrade: h2c', 'http2-settings: AAMAAABkAAQ']
const PLAIN = ['GET /plain HTTP/1.1', 'host: app.test']

let direct: Cutover
let behind: Cutover
let server: Awaited<ReturnType<typeof speaking>>

beforeAll(async () => {
  server = await speaking(({ text, startLine }) => {
    const said = startLine.includes('/plain') ? 'plain' : `got ${text}`
    return `HTTP/1.1 200 OK\r\ncontent-length: ${said.length}\r\n\r\n${said}`
  })
  const services = { app: { servers: [server] } }
  direct = await startCutover(services)
  const listen = { address: '127.0.0.1:0', proxyProtocol: true }
  behind = await startCutover(services, { proxy: { listen, trustedProxies: ['127.0.0.1'] } })
})

afterAll(endAll)

/** A client's connection; behind a load balancer it opens with a PROXY header. */
async function client(throughBalancer: boolean): Promise<RawConnection> {
  if (!throughBalancer) return connect(direct)
  return (await connect(behind)).send('PROXY TCP4 192.0.2.1 192.0.2.2 5000 80\r\n')
}

const head = (lines: readonly string[]) => `${lines.join('\r\n')}\r\n\r\n`

/** Sends each packet when the one before it has left, and a little later. */
async function inPackets(connection: RawConnection, packets: readonly string[]): Promise<void> {
  for (const [i, packet] of packets.entries()) {
    if (i > 0) await new Promise((resolve) => setTimeout(resolve, 30))
    connection.send(packet)
    if (connection.socket.writableLength > 0) await once(connection.socket, 'drain')
  }
}

const POST = ['POST /offer HTTP/1.1', ...OFFER]
const sized = head([...POST, 'content-length: 8'])

test.each([
  ['a GET', [head(['GET /offer HTTP/1.1', ...OFFER])], 'got '],
  [
    'a GET in two packets',
    [head(['GET /offer HTTP/1.1', ...OFFER]).slice(0, 40), head(['GET /offer HTTP/1.1', ...OFFER]).slice(40)],
    'got ',
  ],
  ['a POST of nothing', [head([...POST, 'content-length: 0'])], 'got '],
  ['a POST with its body', [`${sized}the body`], 'got the body'],
  ['a POST whose body comes later', [sized, 'the body'], 'got the body'],
  ['a POST whose body comes in pieces', [`${sized}the `, 'bo', 'dy'], 'got the body'],
  [
    'a POST in chunks',
    [head([...POST, 'transfer-encoding: chunked']), inChunks(Buffer.from('the body'), 3).toString()],
    'got the body',
  ],
])('an offer of h2c in %s is answered', async (_what, packets, expected) => {
  for (const throughBalancer of [false, true]) {
    const connection = await client(throughBalancer)
    await inPackets(connection, packets)
    const response = await connection.response()
    expect([response.status, response.text]).toEqual([200, expected])
    connection.destroy()
  }
})

test.each([
  ['a GET', [head(['GET /offer HTTP/1.1', ...OFFER])]],
  ['a POST of nothing', [head([...POST, 'content-length: 0'])]],
  ['a POST with its body', [`${sized}the body`]],
  ['a POST whose body comes later', [sized, 'the body']],
  ['a POST whose body comes in pieces', [`${sized}the `, 'bo', 'dy']],
])('an offer of h2c in %s costs no connection', async (_what, packets) => {
  for (const throughBalancer of [false, true]) {
    const connection = await client(throughBalancer)
    for (let i = 0; i < 3; i++) {
      await inPackets(connection, packets)
      const response = await connection.response()
      expect([response.status, response.field('connection')]).toEqual([200, 'keep-alive'])
      expect((await connection.ask(PLAIN)).text).toBe('plain')
    }
    connection.destroy()
  }
})

test.each([
  ['a GET', head(['GET /offer HTTP/1.1', ...OFFER, 'connection: close'])],
  ['a POST', `${head([...POST, 'connection: close', 'content-length: 8'])}the body`],
])('%s with an offer of h2c and Connection: close closes', async (_what, request) => {
  const connection = await client(false)
  connection.send(request)
  expect((await connection.response()).status).toBe(200)
  expect(await connection.closed()).toBe('fin')
})

test('after an answer that comes before the body of an offer, the body is dropped and what follows is served', async () => {
  const connection = await client(false)
  connection.send(sized.replace('app.test', 'nowhere.test'))
  const response = await connection.response()
  expect([response.status, response.field('connection')]).toEqual([404, 'keep-alive'])
  await inPackets(connection, ['the body', 'GET /after HTTP/1.1\r\nhost: app.test\r\n\r\n'])
  expect((await connection.response()).status).toBe(200)
  expect(server.requests.map(({ startLine }) => startLine)).toContain('GET /after HTTP/1.1')
})

test.each([
  ['a GET', head(['GET /offer HTTP/1.1', ...OFFER]), ''],
  ['a POST with its body', sized, 'the body'],
  ['a POST whose body comes later', sized, 'the body'],
])(
  'what is sent right behind %s with an offer of h2c is answered or dropped, and never read in another way',
  async (what, first, body) => {
    const hidden = 'POST /hidden HTTP/1.1\r\nhost: app.test\r\ncontent-length: 60\r\n\r\n'
    const connection = await client(false)
    await inPackets(connection, what.includes('later') ? [first, `${body}${hidden}`] : [`${first}${body}${hidden}`])
    expect((await connection.response()).status).toBe(200)
    // The body of the hidden request, if anybody is still there to take it.
    connection.send('GET /smuggled HTTP/1.1\r\nhost: app.test\r\nx-padding: 123456\r\n\r\n')
    await Promise.race([connection.closed(), connection.response().catch(() => null)])
    expect(server.requests.map(({ startLine }) => startLine)).not.toContain('GET /smuggled HTTP/1.1')
  },
)
