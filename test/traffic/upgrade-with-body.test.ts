import { describe, expect, test } from 'vitest'
import { atEnd } from '../support/endings.ts'
import { binary, inChunks, RawConnection } from '../support/raw-client.ts'
import { until } from '../support/until.ts'
import { freePort, startRawUpstream } from '../support/upstream.ts'
import { rawService } from './raw-service.ts'
import { poolView, raw, start } from './support.ts'

const HEAD = 'POST /attach HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n'
const AGREED = 'HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n'

/** Both ends carry bytes to each other. */
async function expectTunnel(client: RawConnection, server: RawConnection): Promise<void> {
  client.send('from the client')
  server.send('from the server')
  expect((await server.bytes(15)).toString()).toBe('from the client')
  expect((await client.bytes(15)).toString()).toBe('from the server')
}

describe('an upgrade with a body, as of docker attach and exec, is tunnelled', () => {
  const body = '{"Detach":false,"Tty":true}'
  const sized = `${HEAD}Content-Length: ${body.length}\r\n\r\n`
  const chunked = `${HEAD}Transfer-Encoding: chunked\r\n\r\n`

  test.each([
    ['a body in the packet of its header', [`${sized}${body}`]],
    ['a body that comes later', [sized, body]],
    ['a body in pieces', [sized, body.slice(0, 5), body.slice(5)]],
    ['a chunked body', [`${chunked}${inChunks(Buffer.from(body), 10)}`]],
    ['a chunked body that comes later', [chunked, inChunks(Buffer.from(body), 10).toString()]],
  ])('%s', async (_what, packets) => {
    const { cutover, accepted } = await rawService()
    const client = await raw(cutover)
    client.send(packets[0] as string)
    const server = await accepted()
    // Each packet by itself: the server has seen the header before the next one is sent.
    const head = await server.head()
    for (const packet of packets.slice(1)) {
      await new Promise((resolve) => setTimeout(resolve, 20))
      client.send(packet)
    }
    await server.bodyOf(head)
    expect(head.startLine).toBe('POST /attach HTTP/1.1')
    expect([head.field('upgrade'), head.field('connection')?.toLowerCase()]).toEqual(['tcp', 'upgrade'])
    expect(head.text).toBe(body)
    expect((await poolView(cutover, 'blue')).inFlight).toBe(1)
    server.send(AGREED)
    const answer = await client.head()
    expect([answer.status, answer.field('upgrade')]).toEqual([101, 'tcp'])
    expect(answer.field('connection')?.toLowerCase()).toBe('upgrade')
    await expectTunnel(client, server)
    client.socket.end()
    expect(await server.closed()).toBe('fin')
    server.socket.end()
    await until(async () => (await poolView(cutover, 'blue')).inFlight === 0)
  })

  test.each([
    ['in one packet with it', (client: RawConnection, rest: string) => client.send(`${sized}${rest}`)],
    ['behind a body that comes later', (client: RawConnection, rest: string) => client.send(sized).send(rest)],
  ])('what the client sends behind the body, %s, arrives behind the handshake', async (_how, send) => {
    const { cutover, accepted } = await rawService()
    const client = await raw(cutover)
    send(client, `${body}early`)
    const server = await accepted()
    const request = await server.request()
    expect(request.text).toBe(body)
    expect(server.hasMore).toBe(false)
    server.send(`${AGREED}first`)
    expect((await client.head()).status).toBe(101)
    expect((await client.bytes(5)).toString()).toBe('first')
    expect((await server.bytes(5)).toString()).toBe('early')
    await expectTunnel(client, server)
  })

  test('a large body, and many bytes both ways behind it', async () => {
    const { cutover, accepted } = await rawService()
    const client = await raw(cutover)
    const large = binary(2_000_000)
    client.send(`${HEAD}Content-Length: ${large.length}\r\n\r\n`).send(large)
    const server = await accepted()
    const request = await server.request()
    expect(request.body.equals(large)).toBe(true)
    server.send(AGREED)
    await client.head()
    client.send(large)
    server.send(large)
    expect((await server.bytes(large.length)).equals(large)).toBe(true)
    expect((await client.bytes(large.length)).equals(large)).toBe(true)
  })

  test('Expect: 100-continue is passed to the server', async () => {
    const { cutover, accepted } = await rawService()
    const client = await raw(cutover)
    client.send(`${HEAD}Expect: 100-continue\r\nContent-Length: 4\r\n\r\n`)
    const server = await accepted()
    const head = await server.head()
    expect([head.field('expect'), server.hasMore]).toEqual(['100-continue', false])
    server.send('HTTP/1.1 100 Continue\r\n\r\n')
    expect((await client.head()).status).toBe(100)
    client.send('body')
    await server.bodyOf(head)
    expect(head.text).toBe('body')
    server.send(AGREED)
    expect((await client.head()).status).toBe(101)
    await expectTunnel(client, server)
  })

  test('a server that does not agree is passed on as it answered', async () => {
    const { cutover, accepted } = await rawService()
    const client = await raw(cutover)
    client.send(`${sized}${body}`)
    const server = await accepted()
    await server.request()
    server.send('HTTP/1.1 404 Not h\xc3\xa9re\r\nContent-Length: 4\r\nX-Own: 1\r\n\r\nnone')
    const answer = await client.response()
    expect([answer.startLine, answer.text, answer.field('x-own')]).toEqual([
      'HTTP/1.1 404 Not h\xc3\xa9re',
      'none',
      '1',
    ])
    await until(async () => (await poolView(cutover, 'blue')).inFlight === 0)
  })

  test('a server that refuses before the body has come: the client gets the answer', async () => {
    const { cutover, accepted } = await rawService()
    const client = await raw(cutover)
    client.send(`${HEAD}Content-Length: 1000\r\n\r\nbeginning`)
    const server = await accepted()
    await server.head()
    server.send('HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig')
    const answer = await client.response()
    expect([answer.status, answer.text]).toEqual([413, 'big'])
    client.send('more of it')
    await client.closed()
    await until(async () => (await poolView(cutover, 'blue')).inFlight === 0)
  })

  test('a server that switches before it has the whole request has not understood it: 502', async () => {
    const { cutover, accepted } = await rawService()
    const client = await raw(cutover)
    client.send(`${HEAD}Content-Length: 1000\r\n\r\nbeginning`)
    const server = await accepted()
    await server.head()
    server.send(AGREED)
    expect((await client.response()).status).toBe(502)
    await server.closed()
    await until(async () => (await poolView(cutover, 'blue')).inFlight === 0)
  })

  test('a client that leaves in the middle of the body: the server is let go', async () => {
    const { cutover, accepted } = await rawService()
    const client = await raw(cutover)
    client.send(`${HEAD.replace('/attach', '/left')}Content-Length: 1000\r\n\r\nbeginning`)
    const server = await accepted()
    await server.head()
    client.destroy()
    await server.closed()
    await until(async () => (await poolView(cutover, 'blue')).inFlight === 0)
    const [line] = await cutover.printed(/\{.*"target":"\/left".*\}/)
    expect(JSON.parse(line)).toMatchObject({ method: 'POST', status: 499, error: 'client_gone' })
  })

  test('a malformed chunk: the request is refused, and the server never gets its end', async () => {
    const server = await startRawUpstream((socket) => arrivals.push(new RawConnection(socket)))
    atEnd(() => server.close())
    const arrivals: RawConnection[] = []
    const shop = { health: 'off', pools: { blue: { servers: { blue1: server.url } } } }
    const cutover = await start({ services: { shop }, proxy: { timeouts: { idleBody: '500ms' } } })
    const client = await raw(cutover)
    client.send(`${chunked}4\r\nbody\r\n`)
    await until(() => arrivals.length === 1)
    const head = await (arrivals[0] as RawConnection).head()
    client.send('nonsense\r\n')
    // 408: node:http does not tell of mistakes in a body behind which it hands the connection over.
    expect([400, 408]).toContain((await client.response()).status)
    await (arrivals[0] as RawConnection).bodyOf(head)
    expect(head.ending).not.toBe('framed')
  })

  test('a server that cannot be reached: the next one gets the request, its body whole', async () => {
    const nobody = `http://127.0.0.1:${await freePort()}`
    const { cutover, accepted } = await rawService({}, { nobody })
    for (let i = 0; i < 4; i++) {
      const client = await raw(cutover)
      client.send(`${sized}${body}`)
      const server = await accepted()
      expect((await server.request()).text).toBe(body)
      server.send(AGREED)
      expect((await client.head()).status).toBe(101)
      await expectTunnel(client, server)
      client.destroy()
      server.destroy()
    }
  })
})
