import { once } from 'node:events'
import { connect as connectTcp, createServer, type Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { type ConnectionOptions, connect } from 'node:tls'
import { expect, test } from 'vitest'
import { readClientHello } from '../../src/edge/client-hello.ts'
import { peekClientHello } from '../../src/edge/peek-client-hello.ts'

/** The first bytes that a client sends. */
async function helloOf(options: ConnectionOptions): Promise<Buffer> {
  let send: (bytes: Buffer) => void = () => undefined
  const sent = new Promise<Buffer>((resolve) => (send = resolve))
  const wire = new Duplex({
    read: () => undefined,
    write: (chunk, _encoding, done) => {
      send(chunk)
      done()
    },
  })
  const client = connect({ socket: wire, ...options })
  client.on('error', () => undefined)
  const bytes = await sent
  client.destroy()
  return bytes
}

/** The same message in records of few bytes (RFC 8446 §5.1). */
function inRecords(hello: Buffer, bytes: number): Buffer {
  const message = hello.subarray(5)
  const parts: Buffer[] = []
  for (let at = 0; at < message.length; at += bytes) {
    const part = message.subarray(at, at + bytes)
    const head = Buffer.from([22, 3, 1, 0, 0])
    head.writeUInt16BE(part.length, 3)
    parts.push(head, part)
  }
  return Buffer.concat(parts)
}

test.each<[ConnectionOptions, { serverName: string; protocols: string[] }]>([
  [
    { servername: 'WWW.example.test', ALPNProtocols: ['acme-tls/1'] },
    { serverName: 'WWW.example.test', protocols: ['acme-tls/1'] },
  ],
  [
    { servername: 'a.test', ALPNProtocols: ['h2', 'http/1.1'], maxVersion: 'TLSv1.2' },
    { serverName: 'a.test', protocols: ['h2', 'http/1.1'] },
  ],
  [{ servername: '' }, { serverName: '', protocols: [] }],
])('a ClientHello is read however it is cut: %j', async (options, expected) => {
  const hello = await helloOf(options)
  expect(readClientHello(hello)).toEqual(expected)
  for (let end = 0; end < hello.length; end++) expect(readClientHello(hello.subarray(0, end))).toBe('incomplete')
  expect(readClientHello(inRecords(hello, 3))).toBeNull()
  for (const bytes of [150, 300, 1_000]) {
    const split = inRecords(hello, bytes)
    expect(readClientHello(split)).toEqual(expected)
    expect(readClientHello(split.subarray(0, split.length - 1))).toBe('incomplete')
  }
})

test('bytes that are none are told apart at once, and none make it throw or wait for ever', async () => {
  const hello = await helloOf({ servername: 'a.test', ALPNProtocols: ['acme-tls/1'] })
  expect(readClientHello(Buffer.from('GET / HTTP/1.1\r\n'))).toBeNull()
  expect(readClientHello(Buffer.from([22, 3, 1, 0, 0, 22]))).toBeNull()
  expect(readClientHello(Buffer.from([22, 3, 1, 0, 4, 2, 0, 0, 0]))).toBeNull()
  expect(readClientHello(Buffer.from([22, 3, 1, 0, 4, 1, 255, 255, 255]))).toBeNull()
  for (let at = 5; at < hello.length; at++) {
    for (const value of [0, 1, 127, 255]) {
      const spoilt = Buffer.from(hello)
      spoilt[at] = value
      const read = readClientHello(spoilt)
      expect(read === null || read === 'incomplete' || typeof read.serverName === 'string').toBe(true)
    }
  }
  const endless = Buffer.concat(Array(4_000).fill(Buffer.from([22, 3, 1, 0, 1, 1])))
  expect(readClientHello(Buffer.concat([hello.subarray(0, 9), endless]))).not.toBe('incomplete')
})

test('what was read is back in the socket, in its order, behind it what follows', async () => {
  const hello = await helloOf({ servername: 'a.test' })
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { readonly port: number }
  const client = connectTcp(port, '127.0.0.1')
  const [socket] = (await once(server, 'connection')) as [Socket]
  const peeked = new Promise((resolve) => peekClientHello(socket, resolve))
  for (const byte of hello) client.write(Buffer.from([byte]))
  client.end('and what follows')
  expect(await peeked).toEqual({ serverName: 'a.test', protocols: expect.any(Array) })
  const parts: Buffer[] = []
  for await (const part of socket) parts.push(part)
  expect(Buffer.concat(parts).equals(Buffer.concat([hello, Buffer.from('and what follows')]))).toBe(true)
  server.close()
})
