import { createHash } from 'node:crypto'
import { once } from 'node:events'
import type { ClientHttp2Stream, IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http2'
import { describe, expect, test } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { atEnd } from '../support/endings.ts'
import { answerOf, type Client2 } from '../support/http2.ts'
import { until } from '../support/until.ts'
import { client, logged, startHttp2, upstream, upstream2 } from './support.ts'

const SOCKET = {
  ':method': 'CONNECT',
  ':protocol': 'websocket',
  ':scheme': 'http',
  ':authority': 'a.test',
  'sec-websocket-version': '13',
}

/** A frame of a client, masked with zeros. */
function textFrame(text: string): Buffer {
  return Buffer.concat([Buffer.from([0x81, 0x80 | text.length, 0, 0, 0, 0]), Buffer.from(text)])
}

async function open(
  connection: Client2,
  path: string,
  more: OutgoingHttpHeaders = {},
): Promise<{ stream: ClientHttp2Stream; headers: IncomingHttpHeaders }> {
  const stream = connection.open({ ...SOCKET, ':path': path, ...more }, { endStream: false })
  const [headers] = await once(stream, 'response')
  return { stream, headers: headers as IncomingHttpHeaders }
}

/** A server of WebSockets over HTTP/1.1 that sends back what it gets, and the requests that it has seen. */
async function echoing() {
  const server = await upstream()
  const sockets = new WebSocketServer({ server: server.server, handleProtocols: (offered) => [...offered][0] ?? false })
  const closes: number[] = []
  sockets.on('connection', (socket) => {
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }))
    socket.on('close', (code) => closes.push(code))
  })
  return { server, closes }
}

describe('a WebSocket over HTTP/2 (RFC 8441)', () => {
  test('becomes an upgrade at a server of HTTP/1.1, and its frames pass both ways', async () => {
    const { server, closes } = await echoing()
    const cutover = await startHttp2({ app: { servers: [server] } })
    const connection = await client(cutover)
    expect(connection.session.remoteSettings.enableConnectProtocol).toBe(true)
    const { stream, headers } = await open(connection, '/app/ws', { 'sec-websocket-protocol': 'chat' })
    expect(headers[':status']).toBe(200)
    expect(headers['sec-websocket-protocol']).toBe('chat')
    expect(headers['sec-websocket-accept']).toBe(undefined)
    for (const text of ['one', 'two']) {
      stream.write(textFrame(text))
      expect(String((await once(stream, 'data'))[0]).slice(2)).toBe(text)
    }
    // Other requests go on beside it.
    expect((await connection.get('/app/')).status).toBe(200)
    const closed = once(stream, 'close')
    stream.end(Buffer.from([0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8]))
    await until(() => closes.length > 0)
    expect(closes).toEqual([1000])
    stream.resume()
    await closed
    expect(await logged(cutover, '/app/ws')).toMatchObject({ status: 101, method: 'GET' })
  })

  test('a refusal of the server is passed on, and a success that is no switch is a 502', async () => {
    const server = await upstream((request, response) =>
      response.writeHead(request.url === '/ok' ? 200 : 403).end('text'),
    )
    server.server.on('upgrade', (request, socket) => {
      const status = request.url === '/ok' ? '200 OK' : '403 Forbidden'
      socket.end(`HTTP/1.1 ${status}\r\ncontent-length: 4\r\n\r\ntext`)
    })
    const cutover = await startHttp2({ app: { servers: [server] } })
    const connection = await client(cutover)
    const refused = connection.open({ ...SOCKET, ':path': '/app/no' }, { endStream: false })
    expect((await answerOf(refused)).status).toBe(403)
    const ok = connection.open({ ...SOCKET, ':path': '/app/ok' }, { endStream: false })
    expect((await answerOf(ok)).status).toBe(502)
  })

  test('another protocol is refused', async () => {
    const { server } = await echoing()
    const cutover = await startHttp2({ app: { servers: [server] } })
    const stream = (await client(cutover)).open(
      { ...SOCKET, ':path': '/app/', ':protocol': 'connect-udp' },
      { endStream: false },
    )
    expect((await answerOf(stream)).status).toBe(501)
  })

  test('closes with 1001 at the deadline of a drain, and when the instance stops', async () => {
    const { server } = await echoing()
    const other = await echoing()
    const pools = {
      blue: { version: '1', servers: { b: server.url } },
      green: { version: '2', servers: { g: other.server.url } },
    }
    const cutover = await startHttp2({ app: { servers: [], pools, split: { blue: 100 } } })
    const connection = await client(cutover)
    const first = await open(connection, '/app/')
    const close = once(first.stream, 'data')
    await cutover.api('POST', '/api/services/app/switch', { to: 'green', drain: '500ms' })
    const [frame] = (await close) as [Buffer]
    expect([frame[0], frame.readUInt16BE(2)]).toEqual([0x88, 1001])
    const second = await open(connection, '/app/')
    const stop = once(second.stream, 'data')
    cutover.process.kill('SIGTERM')
    const [last] = (await stop) as [Buffer]
    expect([last[0], last.readUInt16BE(2)]).toEqual([0x88, 1001])
    second.stream.end()
    expect((await cutover.exited).code).toBe(0)
  })

  test("a client that resets the stream closes the server's connection", async () => {
    const { server, closes } = await echoing()
    const cutover = await startHttp2({ app: { servers: [server] } })
    const { stream } = await open(await client(cutover), '/app/')
    stream.close(8)
    await until(() => closes.length > 0)
    expect(closes).toEqual([1006])
  })
})

describe('a server of HTTP/2', () => {
  test('that takes WebSockets gets an extended CONNECT, from clients of both versions', async () => {
    const server = await upstream2(
      (stream, headers) => {
        if (headers[':protocol'] !== 'websocket') {
          stream.respond({ ':status': 400 }, { endStream: true })
          return
        }
        stream.respond({ ':status': 200, 'sec-websocket-protocol': 'chat' })
        // Unmasks: the test's client masks with zeros, ws does not.
        stream.on('data', (chunk: Buffer) => {
          const length = (chunk[1] as number) & 0x7f
          const mask = chunk.subarray(2, 6)
          const text = Buffer.from(chunk.subarray(6, 6 + length).map((byte, i) => byte ^ (mask[i % 4] as number)))
          if (((chunk[0] as number) & 0xf) === 8) stream.end(Buffer.concat([Buffer.from([0x88, length]), text]))
          else stream.write(Buffer.concat([Buffer.from([0x81, length]), text]))
        })
      },
      { settings: { enableConnectProtocol: true } },
    )
    const cutover = await startHttp2({ app: { servers: [server] } })
    const { stream, headers } = await open(await client(cutover), '/app/')
    expect([headers[':status'], headers['sec-websocket-protocol']]).toEqual([200, 'chat'])
    stream.write(textFrame('hello'))
    expect(String((await once(stream, 'data'))[0]).slice(2)).toBe('hello')
    stream.close()
    const socket = new WebSocket(`${cutover.proxy.replace('http', 'ws')}/app/`, ['chat'])
    atEnd(() => socket.terminate())
    await once(socket, 'open')
    socket.send('hallo')
    expect(String((await once(socket, 'message'))[0])).toBe('hallo')
    socket.close(1000)
    expect((await once(socket, 'close'))[0]).toBe(1000)
    expect(server.requests.map(({ method }) => method)).toEqual(['CONNECT', 'CONNECT'])
    expect(server.requests[1]?.headers['sec-websocket-key']).toBe(undefined)
  })

  test('that takes none gets the request without the upgrade', async () => {
    const server = await upstream2()
    const cutover = await startHttp2({ app: { servers: [server] } })
    const key = createHash('md5').digest('base64')
    const answer = await fetch(`${cutover.proxy}/app/`, { headers: { 'sec-websocket-key': key } })
    expect(answer.status).toBe(200)
    const socket = new WebSocket(`${cutover.proxy.replace('http', 'ws')}/app/`)
    const [error] = await once(socket, 'error')
    expect(String(error)).toContain('200')
    expect(server.requests.at(-1)?.method).toBe('GET')
  })
})
