import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { PlainRelay, type RelayTimeouts } from './plain-relay.ts'

const ending: (() => unknown)[] = []
afterEach(async () => {
  for (const end of ending.splice(0).reverse()) await end()
})

async function relayTo(
  onRequest: (socket: Socket, text: string) => void,
  timeouts: Partial<RelayTimeouts> = {},
): Promise<PlainRelay> {
  const server = createServer({ noDelay: true }, (socket) => {
    socket.on('data', (chunk) => onRequest(socket, chunk.toString('latin1'))).on('error', () => undefined)
    ending.push(() => socket.destroy())
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  ending.push(() => server.close())
  const relay = await PlainRelay.start((server.address() as AddressInfo).port, timeouts)
  ending.push(() => relay.close())
  return relay
}

function open(relay: PlainRelay): Socket {
  const socket = connect({ port: relay.port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
  socket.on('error', () => undefined)
  ending.push(() => socket.destroy())
  return socket
}

async function all(socket: Socket): Promise<string> {
  let text = ''
  for await (const chunk of socket) text += (chunk as Buffer).toString('latin1')
  return text
}

const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

test('a client that has ended its side and reads slowly gets all of its answer', async () => {
  const length = 12_000_000
  const relay = await relayTo((socket) => {
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${length}\r\n\r\n`)
    socket.write(Buffer.alloc(length, 'x'))
  })
  const client = open(relay)
  client.end(get('/'))
  let received = 0
  client.on('data', (chunk: Buffer) => {
    received += chunk.length
    // Slower than the buffers between the two ends, and never still for long.
    client.pause()
    setTimeout(() => client.resume(), chunk.length / 4_000)
  })
  await once(client, 'end')
  expect(received).toBeGreaterThan(length)
})

test('a client that closes its socket is noticed in each of the requests that it has sent ahead', async () => {
  let held: Socket | null = null
  const relay = await relayTo((socket, text) => {
    if (text.includes('/second')) held = socket
    else socket.write(OK)
  })
  const client = open(relay)
  client.end(get('/first') + get('/second'))
  await once(client, 'data')
  while (held === null) await new Promise((resolve) => setImmediate(resolve))
  const closed = once(held as Socket, 'close')
  client.destroy()
  await closed
  await relay.happened('client gone')
})

test('what was gathered for a slow client is sent before the time between requests ends the connection', async () => {
  const length = 4_000_000
  const relay = await relayTo(
    (socket) => {
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${length + 500}\r\n\r\n`)
      socket.write(Buffer.alloc(length, 'x'), () => {
        let pieces = 0
        const more = setInterval(() => {
          socket.write(Buffer.alloc(100, 'y'))
          if (++pieces === 5) clearInterval(more)
        }, 20)
      })
    },
    { keepAliveMs: 300 },
  )
  const client = open(relay)
  client.pause()
  client.write(get('/'))
  // Longer than the time between two requests.
  await new Promise((resolve) => setTimeout(resolve, 1_500))
  const text = await all(client)
  expect(text.length - text.indexOf('\r\n\r\n') - 4).toBe(length + 500)
})

test('a body of which nothing comes is a 408 like one that stops', async () => {
  const relay = await relayTo((socket) => void socket, { idleBodyMs: 200 })
  for (const begin of ['', 'x']) {
    const client = open(relay)
    client.write(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n${begin}`)
    expect(await all(client)).toMatch(/^HTTP\/1\.1 408 /)
  }
})

test('an exception in the handling of a body closes its connection, and no other', async () => {
  const relay = await relayTo((socket) => socket.write(OK))
  const other = open(relay)
  other.write(get('/'))
  await once(other, 'data')
  relay.onBody = () => {
    throw new Error('thrown by the test')
  }
  const client = open(relay)
  client.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n')
  await relay.happened('sent')
  client.write('abc')
  expect(await all(client)).toBe('')
  relay.onBody = () => undefined
  other.write(get('/'))
  expect(String((await once(other, 'data'))[0])).toContain('200 OK')
})
