import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { afterEach, expect, test } from 'vitest'
import { binary, inChunks } from '../support/raw-client.ts'
import {
  announced,
  behindProxyProtocol,
  binaryHeader,
  checksummed,
  connectTo,
  endAll,
  get,
  IPV6,
  TEXT_HEADER,
  until,
} from './support.ts'

afterEach(endAll)

const HEADERS: [string, Buffer][] = [
  ['version 1', TEXT_HEADER],
  ['version 2', binaryHeader()],
]

async function hashOf(request: IncomingMessage): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of request) hash.update(chunk as Buffer)
  return hash.digest('hex')
}

const sha256 = (body: Buffer) => createHash('sha256').update(body).digest('hex')

test.each([
  ['version 1', TEXT_HEADER, '192.0.2.1 1111 8080'],
  ['version 1, IPv6', Buffer.from('PROXY TCP6 2001:DB8::1 ::1 1 443\r\n'), '2001:db8::1 1 443'],
  ['version 1, UNKNOWN', Buffer.from('PROXY UNKNOWN\r\n'), 'peer'],
  ['version 2', binaryHeader(), '192.0.2.1 1111 8080'],
  ['version 2, IPv6', binaryHeader({ family: 0x21, addresses: IPV6 }), '2001:db8::1 1111 8080'],
  ['version 2, LOCAL', binaryHeader({ command: 0x20 }), 'peer'],
  ['version 2, TLVs and a checksum', checksummed({ tlvs: [[0xe0, Buffer.alloc(4_000)]] }), '192.0.2.1 1111 8080'],
])('a request in one segment with its header: %s', async (_, header, whom) => {
  const behind = await behindProxyProtocol()
  const { client } = await connectTo(behind)
  client.send(Buffer.concat([header, Buffer.from(get('/'))]))
  expect((await client.response()).text).toBe(whom)
  expect([behind.refusals, behind.front.waitingConnections]).toEqual([[], 0])
})

test.each(HEADERS)('header and request in two segments, wherever the first one ends: %s', async (_, header) => {
  const behind = await behindProxyProtocol()
  const all = Buffer.concat([header, Buffer.from(get('/'))])
  for (let end = 1; end < all.length; end++) {
    const { client, serverSide } = await connectTo(behind)
    client.send(all.subarray(0, end))
    await until(() => serverSide.bytesRead === end)
    expect(behind.front.waitingConnections, `${end}`).toBe(end < header.length ? 1 : 0)
    client.send(all.subarray(end))
    expect((await client.response()).text, `${end}`).toBe('192.0.2.1 1111 8080')
    client.destroy()
  }
  expect(behind.targets).toHaveLength(all.length - 1)
})

test.each(HEADERS)('every byte of header, head and body in a segment of its own: %s', async (_, header) => {
  const behind = await behindProxyProtocol({}, async (request, response) => response.end(await hashOf(request)))
  const { client, serverSide } = await connectTo(behind)
  const body = binary(50)
  const head = Buffer.from(`POST / HTTP/1.1\r\nhost: a\r\ncontent-length: ${body.length}\r\n\r\n`)
  let sent = 0
  for (const byte of Buffer.concat([header, head, body])) {
    client.send(Buffer.from([byte]))
    sent++
    await until(() => serverSide.bytesRead === sent)
  }
  expect((await client.response()).text).toBe(sha256(body))
})

test('a connection is kept alive, with its client', async () => {
  const behind = await behindProxyProtocol()
  const { client } = await connectTo(behind)
  client.send(TEXT_HEADER)
  for (let i = 0; i < 50; i++) {
    client.send(get(`/${i}`))
    expect((await client.response()).text).toBe('192.0.2.1 1111 8080')
  }
  expect(behind.targets).toEqual(Array.from({ length: 50 }, (_, i) => `/${i}`))
})

test('pipelined requests behind the header are answered all, in their order', async () => {
  const behind = await behindProxyProtocol({}, (request, response) => {
    // The earlier of two, the later its answer.
    if (Number(request.url?.slice(1)) % 2 === 0) setImmediate(() => response.end(request.url))
    else response.end(request.url)
  })
  const { client } = await connectTo(behind)
  const paths = Array.from({ length: 3_000 }, (_, i) => `/${i}`)
  client.send(Buffer.concat([binaryHeader(), Buffer.from(paths.map(get).join(''))]))
  for (const path of paths) expect((await client.response()).text).toBe(path)
  expect(behind.targets).toEqual(paths)
})

test.each([
  ['in one segment with all', (header: Buffer, head: Buffer, body: Buffer) => [Buffer.concat([header, head, body])]],
  ['alone', (header: Buffer, head: Buffer, body: Buffer) => [header, Buffer.concat([head, body])]],
  ['with the head', (header: Buffer, head: Buffer, body: Buffer) => [Buffer.concat([header, head]), body]],
])('a large body comes whole; the header %s', async (_, segmentsOf) => {
  const behind = await behindProxyProtocol({}, async (request, response) => response.end(await hashOf(request)))
  const body = binary(16_000_000)
  for (const [fields, framed] of [
    [`content-length: ${body.length}`, body],
    ['transfer-encoding: chunked', inChunks(body, 50_000)],
  ] as const) {
    const { client, serverSide } = await connectTo(behind)
    const head = Buffer.from(`POST / HTTP/1.1\r\nhost: a\r\n${fields}\r\n\r\n`)
    let sent = 0
    for (const segment of segmentsOf(TEXT_HEADER, head, framed)) {
      await until(() => serverSide.bytesRead === sent)
      client.send(segment)
      sent += segment.length
    }
    expect((await client.response()).text).toBe(sha256(body))
    // And the connection goes on.
    client.send('POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nhi')
    expect((await client.response()).text).toBe(sha256(Buffer.from('hi')))
  }
})

test('a body that nobody reads stops its client, and is whole once it is read', async () => {
  let read: () => void = () => {}
  const behind = await behindProxyProtocol({}, async (request, response) => {
    await new Promise<void>((resolve) => {
      read = resolve
    })
    response.end(await hashOf(request))
  })
  const { client, serverSide } = await connectTo(behind)
  const body = binary(32_000_000)
  const head = `POST / HTTP/1.1\r\nhost: a\r\ncontent-length: ${body.length}\r\n\r\n`
  client.send(Buffer.concat([TEXT_HEADER, Buffer.from(head), body]))
  await until(() => behind.targets.length === 1)
  // Long after the server would have read it all, had it not stopped.
  for (let turn = 0; turn < 2_000; turn++) await new Promise((resolve) => setImmediate(resolve))
  expect(serverSide.bytesRead).toBeLessThan(1_000_000)
  read()
  expect((await client.response()).text).toBe(sha256(body))
})

test('an upgrade, with bytes of the tunnel in the same segment', async () => {
  const behind = await behindProxyProtocol()
  behind.http.on('upgrade', (request, socket, head) => {
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nupgrade: echo\r\nwhom: ${announced(behind, request.socket)}\r\n\r\n`,
    )
    socket.write(head)
    socket.on('data', (chunk: Buffer) => {
      if (!socket.write(chunk)) socket.pause()
    })
    socket.on('drain', () => socket.resume())
    socket.on('end', () => socket.end())
  })
  const upgrade = 'GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n'
  const tunnelled = binary(4_000_000)
  for (const early of [0, 1, 5_000, tunnelled.length]) {
    const { client } = await connectTo(behind)
    client.send(Buffer.concat([binaryHeader(), Buffer.from(upgrade), tunnelled.subarray(0, early)]))
    expect((await client.head()).field('whom')).toBe('192.0.2.1 1111 8080')
    client.send(tunnelled.subarray(early))
    expect((await client.bytes(tunnelled.length)).equals(tunnelled)).toBe(true)
    client.socket.end()
    expect(await client.closed()).toBe('fin')
  }
})

test('a client that ends its direction with its request gets the answer', async () => {
  const behind = await behindProxyProtocol({}, (_request, response) => setImmediate(() => response.end('answer')))
  behind.http.on('connection', (socket) => {
    expect(socket.allowHalfOpen).toBe(true)
  })
  const { client } = await connectTo(behind)
  client.send(Buffer.concat([TEXT_HEADER, Buffer.from(get('/1') + get('/2'))]))
  client.socket.end()
  // What node:http makes of a client that ends its direction: the answer under way is still its.
  expect((await client.response()).text).toBe('answer')
})

test('what is no HTTP behind a header is answered as ever', async () => {
  const behind = await behindProxyProtocol()
  const { client } = await connectTo(behind)
  client.send(Buffer.concat([TEXT_HEADER, TEXT_HEADER]))
  expect((await client.response()).status).toBe(400)
  expect(behind.targets).toEqual([])
})

test('the header is not repeated on the connection', async () => {
  const behind = await behindProxyProtocol()
  const { client } = await connectTo(behind)
  client.send(Buffer.concat([TEXT_HEADER, Buffer.from(get('/'))]))
  expect((await client.response()).status).toBe(200)
  client.send(Buffer.concat([binaryHeader(), Buffer.from(get('/'))]))
  expect((await client.response()).status).toBe(400)
  expect(behind.targets).toEqual(['/'])
})
