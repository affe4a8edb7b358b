import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { PlainRelay } from './plain-relay.ts'

const ending: (() => unknown)[] = []
afterEach(async () => {
  for (const end of ending.splice(0).reverse()) await end()
})

/** A server that is told what to do with the bytes of each connection. */
async function server(take: (socket: Socket, text: string) => void): Promise<number> {
  const sockets = new Set<Socket>()
  const listening = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    sockets.add(socket)
    socket.on('data', (chunk) => take(socket, chunk.toString('latin1'))).on('error', () => undefined)
    socket.on('end', () => socket.end())
  }).listen(0, '127.0.0.1')
  await once(listening, 'listening')
  ending.push(() => {
    listening.close()
    for (const socket of sockets) socket.destroy()
  })
  return (listening.address() as AddressInfo).port
}

async function relayTo(port: number, timeouts = {}): Promise<PlainRelay> {
  const relay = await PlainRelay.start(port, timeouts)
  ending.push(() => relay.close())
  return relay
}

class Client {
  readonly socket: Socket
  text = ''
  hasEnded = false
  private changed: () => void = () => undefined

  constructor(port: number) {
    this.socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
    this.socket.on('data', (chunk) => this.note(chunk.toString('latin1')))
    this.socket.on('end', () => this.note('', true)).on('error', () => this.note('', true))
    ending.push(() => this.socket.destroy())
  }

  send(text: string): void {
    this.socket.write(text, 'latin1')
  }

  /** Resolves with all that has come once it ends so. */
  async until(end: string): Promise<string> {
    while (!this.text.endsWith(end)) {
      if (this.hasEnded) throw new Error(`ended with ${JSON.stringify(this.text)}`)
      await this.change()
    }
    return this.text
  }

  async rest(): Promise<string> {
    while (!this.hasEnded) await this.change()
    return this.text
  }

  private change(): Promise<void> {
    return new Promise((resolve) => {
      this.changed = resolve
    })
  }

  private note(text: string, ended = false): void {
    this.text += text
    this.hasEnded ||= ended
    this.changed()
  }
}

const client = (relay: PlainRelay) => new Client(relay.port)
const count = (text: string, part: string) => text.split(part).length - 1

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'
const get = (path: string, more = '') => `GET ${path} HTTP/1.1\r\nHost: a\r\n${more}\r\n`

test('requests on one connection, one after the other and in one go, on one connection to the server', async () => {
  let connections = 0
  const sockets = new Set<Socket>()
  const port = await server((socket, text) => {
    if (!sockets.has(socket)) connections++
    sockets.add(socket)
    const path = /GET (\S+)/.exec(text)?.[1] ?? ''
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${path.length}\r\n\r\n${path}`)
  })
  const one = client(await relayTo(port))
  one.send(get('/p1'))
  await one.until('/p1')
  one.send([2, 3, 4].map((each) => get(`/p${each}`)).join(''))
  await one.until('/p4')
  expect(one.text.match(/\/p\d/g)).toEqual(['/p1', '/p2', '/p3', '/p4'])
  expect(connections).toBe(1)
})

test('a thousand requests in one go are answered in their order, and memory is not what holds them', async () => {
  const port = await server((socket) => socket.write(OK))
  const one = client(await relayTo(port))
  one.send(Array.from({ length: 1_000 }, (_, i) => get(`/${i}`)).join(''))
  while (count(one.text, '200 OK') < 1_000)
    await one.until('ok').then(() => new Promise((resolve) => setImmediate(resolve)))
  expect(count(one.text, '200 OK')).toBe(1_000)
})

test('a chunked body goes through as it came, both ways, with its trailers', async () => {
  let seen = ''
  const port = await server((socket, text) => {
    seen += text
    if (seen.endsWith('\r\nZz: up\r\n\r\n')) {
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n')
      setImmediate(() => socket.write('2;x=y\r\nde\r\n0\r\nZz: down\r\n\r\n'))
    }
  })
  const one = client(await relayTo(port))
  const body = '4\r\nwiki\r\n000a\r\n0123456789\r\n0\r\nZz: up\r\n\r\n'
  one.send(`POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${body}`)
  await one.until('\r\n0\r\nZz: down\r\n\r\n')
  expect(seen.split('\r\n\r\n').slice(1).join('\r\n\r\n')).toBe(body)
  expect(one.text).toContain('\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n')
})

test('a body that comes late: the server has the head meanwhile', async () => {
  let seen = ''
  let gotHead: () => void = () => undefined
  const head = new Promise<void>((resolve) => {
    gotHead = resolve
  })
  const port = await server((socket, text) => {
    seen += text
    if (seen.endsWith('\r\n\r\n')) gotHead()
    if (seen.endsWith('abc')) socket.write(OK)
  })
  const one = client(await relayTo(port))
  one.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n')
  await head
  one.send('abc')
  await one.until('ok')
})

test('a client that has closed its side gets its answer', async () => {
  const port = await server((socket) => setTimeout(() => socket.write(OK), 50))
  const one = client(await relayTo(port))
  one.socket.end(get('/'))
  expect(await one.rest()).toMatch(/200 OK.*ok$/s)
})

test('a client that goes away ends the call', async () => {
  let closed: () => void = () => undefined
  const atServer = new Promise<void>((resolve) => {
    closed = resolve
  })
  const port = await server((socket) => socket.once('close', closed))
  const relay = await relayTo(port)
  const one = client(relay)
  one.send(get('/'))
  await relay.happened('sent')
  one.socket.resetAndDestroy()
  await atServer
  expect(relay.events).toEqual(['sent', 'client gone', 'closed'])
})

test('interim responses come before the answer, and a 100 only where it is asked for', async () => {
  const port = await server((socket) =>
    socket.write(`HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n${OK}`),
  )
  const one = client(await relayTo(port))
  one.send(get('/'))
  expect(await one.until('ok')).toMatch(/^HTTP\/1.1 103 Early Hints\r\nLink: <a>\r\n\r\nHTTP\/1.1 200 OK/)
})

test('a client of HTTP/1.0 gets a chunked body without its framing', async () => {
  const port = await server((socket) =>
    socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nA: b\r\n\r\n'),
  )
  const one = client(await relayTo(port))
  one.send('GET / HTTP/1.0\r\nHost: a\r\n\r\n')
  expect(await one.rest()).toBe('HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nabcde')
})

test('an answer that breaks off breaks off to the client, too', async () => {
  const port = await server((socket) => {
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n1234567')
    setImmediate(() => socket.destroy())
  })
  const relay = await relayTo(port)
  const one = client(relay)
  one.send(get('/'))
  expect(await one.rest()).toMatch(/1234567$/)
  expect(relay.events).toContain('failed: incomplete')
})

test('nonsense from a server is a failure, and so is what it sends unasked', async () => {
  const answers = ['HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\na', 'GARBAGE\r\n\r\n', `${OK}more`]
  let next = 0
  let connections = new Set<Socket>()
  const port = await server((socket) => {
    connections = connections.add(socket)
    socket.write(answers[next++] ?? OK)
  })
  const relay = await relayTo(port)
  const one = client(relay)
  for (const status of [502, 502, 200, 200]) {
    one.text = ''
    one.send(get('/'))
    await one.until(status === 200 ? 'ok' : '\r\n\r\n')
    expect(one.text).toContain(`HTTP/1.1 ${status}`)
  }
  expect(connections.size).toBe(4)
})

test('a connection that the server has closed meanwhile is not used', async () => {
  let connections = 0
  let closed: Promise<unknown> = Promise.resolve()
  const seen = new Set<Socket>()
  const port = await server((socket) => {
    if (!seen.has(socket)) connections++
    seen.add(socket)
    closed = once(socket.end(OK), 'close')
  })
  const one = client(await relayTo(port))
  for (let i = 0; i < 5; i++) {
    one.text = ''
    one.send(get('/'))
    await one.until('ok')
    await closed
  }
  expect(connections).toBe(5)
})

test('an upgrade carries what was sent ahead, both ways', async () => {
  const port = await server((socket, text) => {
    if (!text.startsWith('GET')) socket.write(`echo ${text}`)
    else socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\nhello')
    if (text.endsWith('early')) socket.write(' and early')
  })
  const one = client(await relayTo(port))
  one.send(`${get('/', 'Connection: Upgrade\r\nUpgrade: x\r\n')}early`)
  await one.until('echo early and early')
  one.send('later')
  await one.until('echo later')
})

test('a switch to a protocol that was not asked for is a failure', async () => {
  const port = await server((socket) =>
    socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: y\r\nConnection: Upgrade\r\n\r\n'),
  )
  const one = client(await relayTo(port))
  one.send(get('/', 'Connection: Upgrade\r\nUpgrade: x\r\n'))
  expect(await one.until('\r\n\r\n')).toContain('502')
})

test.each([
  ['no HTTP', 'hello\r\n\r\n', 400],
  ['both lengths', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n', 400],
  ['another version', 'GET / HTTP/2.0\r\n\r\n', 505],
  ['a target that is too long', `GET /${'a'.repeat(9_000)}`, 414],
  ['a header that is too long', `GET / HTTP/1.1\r\nA: ${'a'.repeat(20_000)}`, 431],
])('%s is refused, behind the answers before it', async (_what, text, status) => {
  const port = await server((socket) => socket.write(OK))
  const one = client(await relayTo(port))
  one.send(get('/') + text)
  expect(await one.rest()).toMatch(new RegExp(`^HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 ${status} `))
})

test('silence: between two requests it ends the connection, within a head or a body it is a 408', async () => {
  const port = await server((socket, text) => text.startsWith('GET') && socket.write(OK))
  const relay = await relayTo(port, { keepAliveMs: 150, headMs: 100, idleBodyMs: 100 })
  const [idle, head, body] = [client(relay), client(relay), client(relay)] as const
  idle.send(get('/'))
  head.send('GET / HT')
  body.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\na')
  expect(await idle.rest()).toMatch(/ok$/)
  expect(await head.rest()).toMatch(/^HTTP\/1.1 408 /)
  expect(await body.rest()).toMatch(/^HTTP\/1.1 408 /)
})

test('bodies of 100 MB go through in bounded memory, however slow the other end is', async () => {
  const piece = Buffer.alloc(64 * 1024, 'x')
  const bytes = 100 * 1024 * 1024
  let received = 0
  const port = await server((socket, text) => {
    received += text.length
    if (received < bytes) return
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${bytes}\r\n\r\n`)
    let left = bytes
    const send = (): void => {
      while (left > 0) {
        left -= piece.length
        if (!socket.write(piece)) break
      }
      if (left > 0) socket.once('drain', send)
    }
    send()
  })
  const relay = await relayTo(port)
  const socket = connect({ port: relay.port, host: '127.0.0.1' })
  ending.push(() => socket.destroy())
  socket.write(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${bytes}\r\n\r\n`)
  const before = process.memoryUsage.rss()
  let most = 0
  let got = 0
  socket.on('data', (chunk) => {
    got += chunk.length
    most = Math.max(most, process.memoryUsage.rss())
    socket.pause()
    setImmediate(() => socket.resume())
  })
  for (let left = bytes; left > 0; left -= piece.length) if (!socket.write(piece)) await once(socket, 'drain')
  while (got < bytes) await once(socket, 'data')
  // Three processes' worth of buffers are in this one.
  expect(most - before).toBeLessThan(100 * 1024 * 1024)
})
