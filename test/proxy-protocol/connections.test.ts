import { once } from 'node:events'
import { createServer as createHttpsServer } from 'node:https'
import { type AddressInfo, connect, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Duplex } from 'node:stream'
import { connect as connectTls } from 'node:tls'
import { afterEach, expect, test } from 'vitest'
import type { InboundTimeouts } from '../../src/http1/inbound-handler.ts'
import { networks } from '../../src/model/networks.ts'
import type { Client } from '../../src/proxy/client/client.ts'
import { ClientListeners } from '../../src/proxy/client/client-listeners.ts'
import type { ClientStream } from '../../src/proxy/client/client-stream.ts'
import { ProxyProtocolServer } from '../../src/proxy/proxy-protocol/server.ts'
import { DEADLINES, NAMES } from '../../src/proxy/wire.ts'
import { RawConnection } from '../support/raw-client.ts'
import { CERTIFICATE } from './certificate.ts'
import { behindProxyProtocol, binaryHeader, connectTo, endAll, endWithAll, get, TEXT_HEADER, until } from './support.ts'

afterEach(endAll)

/** Starts the listener of the proxy itself, which tells every request whom it has for its client. */
async function behindListeners(timeouts: Partial<InboundTimeouts> = {}): Promise<{ server: Server; port: number }> {
  const shared = {
    names: NAMES,
    limits: { startLineBytes: 8_192, fieldBytes: 16_384 },
    timeouts: { headMs: 5_000, requestMs: 0, keepAliveMs: 5_000, idleBodyMs: 5_000, ...timeouts },
    deadlines: DEADLINES,
  }
  const listeners = new ClientListeners(
    {
      inbound: { ...shared, keepAliveLine: '' },
      inbound2: { ...shared, limits: { ...shared.limits, streams: 100 } },
      trustedProxies: networks(['127.0.0.1/32']),
      trustsSocketFiles: false,
      maxRequests: 0,
      create: (stream, client) => ({ start: () => tellWhom(stream, client), cut: () => false }),
      refuse: ({ status }) => ({ status, code: '', body: '', lines: 'Content-Length: 0\r\n' }),
      onHttp2Closed: () => undefined,
    },
    0,
  )
  const { address, close } = await listeners.listen({ host: '127.0.0.1', port: 0 }, { proxyProtocol: true })
  endWithAll(() => {
    close()
    for (const connection of listeners.connections) connection.destroy()
  })
  const [server] = listeners.servers
  return { server: server as Server, port: (address as AddressInfo).port }
}

/** Answers a request, once it is whole or refused, with its client's address and port asked, and its body's length. */
function tellWhom(stream: ClientStream, client: Client): void {
  const answer = (status: number): void => {
    const text = `${client.address} ${client.localPort} ${stream.body.bytes}`
    stream.respond(status, null, `Content-Length: ${text.length}\r\n`, 'length')
    stream.write(Buffer.from(text))
    stream.end()
    client.ended()
  }
  stream.takeBody({
    onRequestBody: () => undefined,
    onRequestEnd: () => answer(200),
    onRequestBroken: (refusal) => answer(refusal?.status ?? 400),
  })
}

async function clientOf(port: number): Promise<RawConnection> {
  const client = await RawConnection.connect(port)
  endWithAll(() => client.destroy())
  return client
}

test('200 connections at once, each with a client of its own', async () => {
  const behind = await behindProxyProtocol()
  await Promise.all(
    Array.from({ length: 200 }, async (_, i) => {
      const client = await RawConnection.connect(behind.port)
      endWithAll(() => client.destroy())
      const port = Buffer.from([i >> 8, i & 0xff, 0, 80])
      const addresses = Buffer.concat([Buffer.from([10, 1, i >> 8, i & 0xff, 10, 0, 0, 1]), port])
      const header =
        i % 2 === 0
          ? binaryHeader({ addresses })
          : Buffer.from(`PROXY TCP4 10.1.${i >> 8}.${i & 0xff} 10.0.0.1 ${i} 80\r\n`)
      const cut = i % (header.length + 1)
      client.send(header.subarray(0, cut))
      await new Promise((resolve) => setImmediate(resolve))
      client.send(Buffer.concat([header.subarray(cut), Buffer.from(get('/'))]))
      for (let request = 0; request < 5; request++) {
        expect((await client.response()).text).toBe(`10.1.${i >> 8}.${i & 0xff} ${i} 80`)
        client.send(get('/'))
      }
    }),
  )
  expect([behind.refusals, behind.front.waitingConnections]).toEqual([[], 0])
})

test.each([
  ['version 1', TEXT_HEADER],
  ['version 2', binaryHeader()],
])('header and requests in two segments, wherever the first one ends: %s', async (_, header) => {
  const { server, port } = await behindListeners()
  const all = Buffer.concat([
    header,
    Buffer.from(`POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nhi${get('/')}`),
  ])
  for (let end = 1; end < all.length; end++) {
    const accepted = once(server, 'connection')
    const client = await clientOf(port)
    const [serverSide] = (await accepted) as [Socket]
    client.send(all.subarray(0, end))
    await until(() => serverSide.bytesRead === end)
    client.send(all.subarray(end))
    expect((await client.response()).text, `${end}`).toBe('192.0.2.1 8080 2')
    expect((await client.response()).text, `${end}`).toBe('192.0.2.1 8080 0')
    client.destroy()
  }
})

test('a large body in one segment with its header comes whole', async () => {
  const client = await clientOf((await behindListeners()).port)
  const head = 'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 16000000\r\n\r\n'
  client.send(Buffer.concat([TEXT_HEADER, Buffer.from(head), Buffer.alloc(16_000_000), Buffer.from(get('/'))]))
  expect((await client.response()).text).toBe('192.0.2.1 8080 16000000')
  expect((await client.response()).text).toBe('192.0.2.1 8080 0')
})

test('the time for a head holds, from the PROXY header on', async () => {
  const { port } = await behindListeners({ headMs: 150 })
  const [silent, slow] = [await clientOf(port), await clientOf(port)]
  silent.send(TEXT_HEADER)
  slow.send(Buffer.concat([TEXT_HEADER, Buffer.from('GET / HTTP/1.1\r\nhost:')]))
  expect((await slow.response()).status).toBe(408)
  expect(await silent.rest()).toBe('')
})

test('the time for a whole request holds', async () => {
  const client = await clientOf((await behindListeners({ requestMs: 100 })).port)
  client.send(Buffer.concat([TEXT_HEADER, Buffer.from('POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nhalf')]))
  expect((await client.response()).status).toBe(408)
  expect(await client.closed()).toBe('fin')
})

test('the time between requests holds', async () => {
  const client = await clientOf((await behindListeners({ keepAliveMs: 50 })).port)
  client.send(Buffer.concat([TEXT_HEADER, Buffer.from(get('/'))]))
  expect((await client.response()).text).toBe('192.0.2.1 8080 0')
  expect(await client.closed()).toBe('fin')
})

test('a connection may last longer than its header', async () => {
  const behind = await behindProxyProtocol({ timeoutMs: 50 }, (_request, response) => {
    setTimeout(() => response.end('late'), 150)
  })
  const { client } = await connectTo(behind)
  client.send(Buffer.concat([TEXT_HEADER, Buffer.from(get('/'))]))
  expect((await client.response()).text).toBe('late')
  client.send(get('/'))
  expect((await client.response()).text).toBe('late')
})

test('a client that resets its connection in the middle of a request harms nobody', async () => {
  const behind = await behindProxyProtocol({}, (request) => request.resume())
  const { client, serverSide } = await connectTo(behind)
  client.send(Buffer.concat([TEXT_HEADER, Buffer.from('POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nhalf')]))
  await until(() => behind.targets.length === 1)
  client.socket.resetAndDestroy()
  await until(() => serverSide.closed)
  expect(behind.refusals).toEqual([])
  const next = await connectTo(behind)
  next.client.send(Buffer.concat([TEXT_HEADER, Buffer.from(get('/next'))]))
  await until(() => behind.targets.length === 2)
})

test('who accepts a connection may destroy it', async () => {
  const refusals: string[] = []
  const front = new ProxyProtocolServer({
    timeoutMs: 1_000,
    keepAliveMs: 60_000,
    isFull: () => false,
    isTrusted: () => true,
    onAccepted: (socket) => socket.destroy(),
    onRefused: (_peer, reason) => refusals.push(reason),
  })
  front.listen(0, '127.0.0.1')
  await once(front, 'listening')
  endWithAll(() => front.close())
  const client = await clientOf((front.address() as AddressInfo).port)
  client.send(Buffer.concat([TEXT_HEADER, Buffer.from(get('/'))]))
  expect(await client.rest()).toBe('')
  expect([refusals, front.waitingConnections]).toEqual([[], 0])
})

test('a peer on a Unix socket is asked for as such', async () => {
  const path = join(tmpdir(), `cutover-proxy-protocol-${process.pid}-${Date.now()}.sock`)
  const peers: string[] = []
  const isTrusted = (peer: string) => peers.push(peer) > 0
  const behind = await behindProxyProtocol({ listenOn: { path }, isTrusted })
  const socket = connect(path)
  await once(socket, 'connect')
  const client = new RawConnection(socket)
  client.send(Buffer.concat([TEXT_HEADER, Buffer.from(get('/'))]))
  expect((await client.response()).text).toBe('192.0.2.1 1111 8080')
  expect(peers).toEqual(['unix'])
  client.destroy()
  await until(() => behind.headers.size === 1)
})

test('a peer’s IPv4 address is in its own notation on an IPv6 listener', async () => {
  const peers: string[] = []
  const isTrusted = (peer: string) => peers.push(peer) > 0
  const behind = await behindProxyProtocol({ listenOn: { host: '::' }, isTrusted })
  const { client } = await connectTo(behind)
  client.send(Buffer.concat([TEXT_HEADER, Buffer.from(get('/'))]))
  await client.response()
  expect(peers).toEqual(['127.0.0.1'])
})

test.each([
  ['in one segment with it', Number.POSITIVE_INFINITY],
  ['in the middle of a record', 3],
  ['alone', 0],
])('TLS begins behind the header, which comes %s', async (_, early) => {
  const clients: string[] = []
  const https = createHttpsServer(CERTIFICATE, (_request, response) => response.end('over TLS'))
  const front = new ProxyProtocolServer({
    timeoutMs: 5_000,
    keepAliveMs: 60_000,
    isFull: () => false,
    isTrusted: () => true,
    onAccepted: (socket, header) => {
      clients.push(header.source?.address ?? '')
      // TLS takes the bytes behind the header out of the paused socket itself; a resumed one would lose them before.
      https.emit('connection', socket)
    },
  })
  front.listen(0, '127.0.0.1')
  await once(front, 'listening')
  endWithAll(() => front.close())
  const accepted = once(front, 'connection')
  const socket = connect((front.address() as AddressInfo).port, '127.0.0.1').setNoDelay()
  endWithAll(() => socket.destroy())
  const [serverSide] = (await accepted) as [Socket]

  async function send(chunk: Buffer): Promise<void> {
    if (socket.bytesWritten > 0) {
      socket.write(chunk)
      return
    }
    socket.write(Buffer.concat([TEXT_HEADER, chunk.subarray(0, early)]))
    await until(() => serverSide.bytesRead > 0)
    socket.write(chunk.subarray(early))
  }
  const wire = new Duplex({
    read() {},
    write: (chunk: Buffer, _encoding, done) => void send(chunk).then(() => done(), done),
  })
  socket.on('data', (chunk) => wire.push(chunk))

  const client = new RawConnection(connectTls({ socket: wire, rejectUnauthorized: false }))
  for (let request = 0; request < 3; request++) {
    client.send(get('/'))
    expect((await client.response()).text).toBe('over TLS')
  }
  expect(clients).toEqual(['192.0.2.1'])
})
