import { once } from 'node:events'
import { createServer as createHttpsServer } from 'node:https'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Duplex } from 'node:stream'
import { connect as connectTls } from 'node:tls'
import { afterEach, expect, test } from 'vitest'
import { ProxyProtocolServer } from '../../src/proxy/proxy-protocol/server.ts'
import { RawConnection } from '../support/raw-client.ts'
import { CERTIFICATE } from './certificate.ts'
import { behindProxyProtocol, binaryHeader, connectTo, endAll, endWithAll, get, TEXT_HEADER, until } from './support.ts'

afterEach(endAll)

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

test('the HTTP server’s time for a head holds, from the header on', async () => {
  const http = { headersTimeout: 100, connectionsCheckingInterval: 20 }
  const behind = await behindProxyProtocol({ http })
  const silent = await connectTo(behind)
  silent.client.send(TEXT_HEADER)
  const slow = await connectTo(behind)
  slow.client.send(Buffer.concat([TEXT_HEADER, Buffer.from('GET / HTTP/1.1\r\nhost:')]))
  expect((await slow.client.response()).status).toBe(408)
  expect((await silent.client.response()).status).toBe(408)
})

test('the HTTP server’s time for a whole request holds', async () => {
  const http = { headersTimeout: 100, requestTimeout: 100, connectionsCheckingInterval: 20 }
  const behind = await behindProxyProtocol({ http }, (request) => request.resume())
  const { client } = await connectTo(behind)
  client.send(Buffer.concat([TEXT_HEADER, Buffer.from('POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nhalf')]))
  expect((await client.response()).status).toBe(408)
})

test('the HTTP server’s time between requests holds', async () => {
  const behind = await behindProxyProtocol({ http: { keepAliveTimeout: 50, keepAliveTimeoutBuffer: 0 } })
  const { client } = await connectTo(behind)
  client.send(Buffer.concat([TEXT_HEADER, Buffer.from(get('/'))]))
  expect((await client.response()).status).toBe(200)
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
  const behind = await behindProxyProtocol()
  let connections = 0
  behind.http.on('connection', () => connections++)
  const front = new ProxyProtocolServer(behind.http, {
    timeoutMs: 1_000,
    keepAliveMs: 60_000,
    isFull: () => false,
    isTrusted: () => true,
    onAccepted: (socket) => socket.destroy(),
  })
  front.listen(0, '127.0.0.1')
  await once(front, 'listening')
  endWithAll(() => front.close())
  const client = await RawConnection.connect((front.address() as AddressInfo).port)
  client.send(Buffer.concat([TEXT_HEADER, Buffer.from(get('/'))]))
  expect(await client.rest()).toBe('')
  expect(connections).toBe(0)
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
  const front = new ProxyProtocolServer(https, {
    timeoutMs: 5_000,
    keepAliveMs: 60_000,
    isFull: () => false,
    isTrusted: () => true,
    onAccepted: (_socket, header) => clients.push(header.source?.address ?? ''),
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
