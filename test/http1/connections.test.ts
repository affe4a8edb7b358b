import { EventEmitter, once } from 'node:events'
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
  wasReset = false
  private changed: () => void = () => undefined

  constructor(port: number) {
    this.socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
    this.socket.on('data', (chunk) => this.note(chunk.toString('latin1')))
    this.socket.on('end', () => this.note('', true))
    this.socket.on('error', () => {
      this.wasReset = true
      this.note('', true)
    })
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
/** What the relay writes into the head of an answer on a connection that goes on. */
const KEPT = 'Connection: keep-alive\r\nKeep-Alive: timeout=5\r\n'
/** `OK`, as clients get it. */
const OK_KEPT = `HTTP/1.1 200 OK\r\nContent-Length: 2\r\n${KEPT}\r\nok`
const OK_CLOSED = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok'
/** What a client gets that has ended its side, now and then, until its answer comes. */
const INTERIM = 'HTTP/1.1 102 Processing\r\n\r\n'
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
  expect(await one.until('/p1')).toBe(`HTTP/1.1 200 OK\r\nContent-Length: 3\r\n${KEPT}\r\n/p1`)
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

test('a client that has ended its side gets its answer, and over HTTP/1.1 a few interim ones until it comes', async () => {
  const waiting: Socket[] = []
  const atServer = new EventEmitter()
  const port = await server((socket) => {
    waiting.push(socket)
    atServer.emit('asked')
  })
  const relay = await relayTo(port)
  const [old, one] = [client(relay), client(relay)]
  old.socket.end('GET / HTTP/1.0\r\nHost: a\r\n\r\n')
  await relay.happened('client ended')
  one.socket.end(get('/'))
  await one.until(INTERIM + INTERIM)
  expect(old.text).toBe('')
  while (waiting.length < 2) await once(atServer, 'asked')
  for (const socket of waiting) socket.write(OK)
  expect(await one.rest()).toBe(INTERIM + INTERIM + OK_CLOSED)
  expect(await old.rest()).toBe(OK_CLOSED)
})

test('requests that a client has sent before it ended its side are answered all', async () => {
  const port = await server((socket) => socket.write(OK))
  const one = client(await relayTo(port))
  one.socket.end(Array.from({ length: 40 }, (_, i) => get(`/${i}`)).join(''))
  // Each of them that takes long gets interim answers.
  expect((await one.rest()).replaceAll(INTERIM, '')).toBe(OK_KEPT.repeat(39) + OK_CLOSED)
})

test('a client that has ended its side and does not get on with its answer is taken for gone', async () => {
  const atServer = new EventEmitter()
  const port = await server((socket) => {
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n1234567')
    socket.once('close', () => atServer.emit('closed'))
  })
  const relay = await relayTo(port)
  const closed = once(atServer, 'closed')
  const one = client(relay)
  one.send(get('/'))
  await one.until('1234567')
  one.socket.end()
  expect(await one.rest()).toMatch(/1234567$/)
  await closed
  expect(relay.events).toEqual(['sent', 'client ended', 'client gone', 'closed'])
})

test('a client that ends its side within its body has left', async () => {
  const atServer = new EventEmitter()
  const port = await server((socket) => socket.once('close', () => atServer.emit('closed')))
  const relay = await relayTo(port)
  const closed = once(atServer, 'closed')
  const one = client(relay)
  one.socket.end('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf')
  expect(await one.rest()).toBe('')
  await closed
  await relay.happened('closed')
  expect(relay.events).toContain('body broken: left')
})

test.each([
  ['resets its connection', (socket: Socket) => socket.resetAndDestroy(), ['sent', 'client gone', 'closed']],
  ['closes its socket', (socket: Socket) => socket.destroy(), ['sent', 'client ended', 'client gone', 'closed']],
])('a client that %s ends the call', async (_what, leave, events) => {
  let closed: () => void = () => undefined
  const atServer = new Promise<void>((resolve) => {
    closed = resolve
  })
  const port = await server((socket) => socket.once('close', closed))
  const relay = await relayTo(port)
  const one = client(relay)
  one.send(get('/'))
  await relay.happened('sent')
  leave(one.socket)
  await atServer
  await relay.happened('closed')
  expect(relay.events).toEqual(events)
})

test('a client that does not read its answer for too long is dropped, and the call with it', async () => {
  const piece = Buffer.alloc(64 * 1024, 'x')
  const atServer = new EventEmitter()
  const port = await server((socket) => {
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${2 ** 40}\r\n\r\n`)
    const send = (): void => {
      while (socket.write(piece)) {}
    }
    socket.on('drain', send).once('close', () => atServer.emit('closed'))
    send()
  })
  const relay = await relayTo(port, { idleBodyMs: 150 })
  const closed = once(atServer, 'closed')
  const one = client(relay)
  one.socket.pause()
  one.send(get('/'))
  await closed
  await relay.happened('closed')
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
  expect(await one.rest()).toBe('HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabcde')
})

test('a connection of HTTP/1.0 goes on if the client asks for it', async () => {
  const port = await server((socket) => socket.write(OK))
  const one = client(await relayTo(port))
  one.send('GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n')
  expect(await one.until('ok')).toBe(OK_KEPT)
  one.send('GET / HTTP/1.0\r\n\r\n')
  expect(await one.rest()).toBe(OK_KEPT + OK_CLOSED)
})

test('a body that ends with the server’s connection comes in chunks, or ends with the client’s over HTTP/1.0', async () => {
  const port = await server((socket) => socket.end('HTTP/1.1 200 OK\r\n\r\nabcde'))
  const relay = await relayTo(port)
  const [one, old] = [client(relay), client(relay)]
  one.send(get('/'))
  old.send('GET / HTTP/1.0\r\n\r\n')
  const head = 'HTTP/1.1 200 OK\r\n'
  expect(await one.until('0\r\n\r\n')).toBe(`${head}Transfer-Encoding: chunked\r\n${KEPT}\r\n5\r\nabcde\r\n0\r\n\r\n`)
  expect(await old.rest()).toBe(`${head}Connection: close\r\n\r\nabcde`)
  expect(old.wasReset).toBe(false)
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

test.each([
  ['the end of a connection, in chunks over HTTP/1.1', '', 'HTTP/1.1', false],
  ['the end of a connection, which is reset over HTTP/1.0', '', 'HTTP/1.0', true],
  ['chunks', 'Transfer-Encoding: chunked\r\n', 'HTTP/1.1', false],
  ['chunks, where a connection of HTTP/1.0 is reset', 'Transfer-Encoding: chunked\r\n', 'HTTP/1.0', true],
])(
  'an answer that breaks off is not taken for whole: one that ends with %s',
  async (_what, framing, version, isReset) => {
    const port = await server((socket, text) => {
      if (text.startsWith('GET')) socket.write(`HTTP/1.1 200 OK\r\n${framing}\r\n${framing && '7\r\n'}1234567`)
      else socket.resetAndDestroy()
    })
    const relay = await relayTo(port)
    const one = client(relay)
    // The second piece is what breaks the answer off, once the beginning of that has come.
    one.send(`GET / ${version}\r\nHost: a\r\nContent-Length: 4\r\n\r\n`)
    while (!one.text.includes('1234567')) await once(one.socket, 'data')
    one.send('over')
    expect(await one.rest()).not.toContain('0\r\n\r\n')
    expect(one.wasReset).toBe(isReset)
    expect(relay.events).toContain('failed: incomplete')
  },
)

test('a server that is silent for too long is a failure, before its answer and within it', async () => {
  const port = await server((socket, text) => {
    if (text.startsWith('GET /half')) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n1234567')
  })
  const relay = await relayTo(port, { serverMs: 100 })
  const [none, half] = [client(relay), client(relay)]
  none.send(get('/none'))
  expect(await none.until('\r\n\r\n')).toBe(`HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n${KEPT}\r\n`)
  half.send(get('/half'))
  expect(await half.rest()).toMatch(/1234567$/)
  expect(relay.events.filter((event) => event.startsWith('failed'))).toEqual(['failed: timeout', 'failed: timeout'])
})

test('an exception within the handling of an answer fails its call, and no other', async () => {
  const atServer = new EventEmitter()
  const port = await server((socket, text) => {
    if (text.startsWith('GET /held')) atServer.emit('held', socket)
    else socket.write(OK)
  })
  const relay = await relayTo(port)
  const isHeld = once(atServer, 'held')
  const [held, one] = [client(relay), client(relay)]
  held.send(get('/held'))
  const [heldAtServer] = (await isHeld) as [Socket]
  relay.onResponse = () => {
    throw new Error('thrown by a test')
  }
  one.send(get('/'))
  expect(await one.until('\r\n\r\n')).toContain('HTTP/1.1 502 ')
  expect(relay.events).toContain('failed: crashed')
  relay.onResponse = () => undefined
  heldAtServer.write(OK)
  expect(await held.until('ok')).toBe(OK_KEPT)
})

test('an exception within the handling of a request closes its connection, and no other', async () => {
  const port = await server((socket) => socket.write(OK))
  const relay = await relayTo(port)
  relay.onRequest = ({ target }) => {
    if (target === '/bad') throw new Error('thrown by a test')
  }
  const [bad, good] = [client(relay), client(relay)]
  good.send(get('/'))
  await good.until('ok')
  bad.send(get('/bad'))
  expect(await bad.rest()).toBe('')
  good.text = ''
  good.send(get('/'))
  expect(await good.until('ok')).toBe(OK_KEPT)
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
  expect(relay.events.filter((event) => event.startsWith('failed'))).toEqual(['failed: nonsense', 'failed: nonsense'])
})

test('a connection with an answer that may be followed by a body it must not have is not used again', async () => {
  const answers = ['HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\n', 'HTTP/1.1 304 Not Modified\r\n\r\n', OK]
  let next = 0
  const connections = new Set<Socket>()
  const port = await server((socket) => {
    connections.add(socket)
    socket.write(answers[next++] ?? '')
  })
  const one = client(await relayTo(port))
  for (const [status, end, opened] of [
    [304, '\r\n\r\n', 1],
    [304, '\r\n\r\n', 2],
    [200, 'ok', 2],
  ] as const) {
    one.text = ''
    one.send(get('/'))
    expect(await one.until(end)).toContain(`HTTP/1.1 ${status} `)
    expect(connections.size).toBe(opened)
  }
})

test('a server that cannot be reached is a failure', async () => {
  const listening = createServer().listen(0, '127.0.0.1')
  await once(listening, 'listening')
  const { port } = listening.address() as AddressInfo
  listening.close()
  await once(listening, 'close')
  const relay = await relayTo(port)
  const one = client(relay)
  one.send(get('/'))
  expect(await one.until('\r\n\r\n')).toBe(`HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n${KEPT}\r\n`)
  expect(relay.events).toEqual(['failed: connect'])
})

test('a server that closes its connection in place of an answer is a failure', async () => {
  const port = await server((socket) => socket.end())
  const relay = await relayTo(port)
  const one = client(relay)
  one.send(get('/'))
  expect(await one.until('\r\n\r\n')).toContain('HTTP/1.1 502 ')
  expect(relay.events).toEqual(['sent', 'failed: closed'])
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
  const head = 'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n'
  expect(await one.until('echo early and early')).toBe(`${head}helloecho early and early`)
  one.send('later')
  await one.until('echo later')
})

test.each([
  ['to a protocol that was not asked for', 'Upgrade: y\r\nConnection: Upgrade\r\n', 'Upgrade: x\r\n', false],
  ['to one of several, in other capitals', 'Upgrade: Y\r\nConnection: Upgrade\r\n', 'Upgrade: x, y\r\n', true],
  ['to none', 'Connection: Upgrade\r\n', 'Upgrade: x\r\n', false],
  ['that Connection does not name', 'Upgrade: x\r\n', 'Upgrade: x\r\n', false],
  ['that nobody asked for', 'Upgrade: x\r\nConnection: Upgrade\r\n', '', false],
  ['before the end of the body', 'Upgrade: x\r\nConnection: Upgrade\r\n', 'Upgrade: x\r\nContent-Length: 9\r\n', false],
])('a switch %s', async (_what, answered, asked, isMade) => {
  const port = await server((socket) => socket.write(`HTTP/1.1 101 Switching Protocols\r\n${answered}\r\n`))
  const relay = await relayTo(port)
  const one = client(relay)
  one.send(get('/', `Connection: Upgrade\r\n${asked}`))
  expect(await one.until('\r\n\r\n')).toContain(`HTTP/1.1 ${isMade ? 101 : 502} `)
  expect(relay.events).toEqual(['sent', isMade ? 'upgraded' : 'failed: nonsense'])
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
  const all = await one.rest()
  expect(all.slice(0, OK_KEPT.length)).toBe(OK_KEPT)
  expect(all.slice(OK_KEPT.length)).toMatch(new RegExp(`^HTTP/1.1 ${status} .*\r\nConnection: close\r\n\r\n`, 's'))
})

test('a body that is malformed is refused while there is no answer, and breaks one off that has begun', async () => {
  const chunked = (path: string) => `POST ${path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n`
  const port = await server((socket, text) => {
    if (text.startsWith('POST /begun')) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n1234567')
  })
  const relay = await relayTo(port)
  const [none, begun] = [client(relay), client(relay)]
  none.send(`${chunked('/none')}no size\r\n`)
  expect(await none.rest()).toMatch(/^HTTP\/1.1 400 .*\r\nConnection: close\r\n\r\n/s)
  begun.send(chunked('/begun'))
  await begun.until('1234567')
  begun.send('no size\r\n')
  expect(await begun.rest()).toMatch(/^HTTP\/1.1 200 .*1234567$/s)
})

test('silence: between two requests it ends the connection, within a head or a body it is a 408', async () => {
  const port = await server((socket, text) => text.startsWith('GET') && socket.write(OK))
  const relay = await relayTo(port, { keepAliveMs: 150, headMs: 100, idleBodyMs: 100 })
  const [silent, idle, head, body] = [client(relay), client(relay), client(relay), client(relay)] as const
  idle.send(get('/'))
  head.send('GET / HT')
  body.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\na')
  expect(await idle.rest()).toMatch(/ok$/)
  expect(await head.rest()).toMatch(/^HTTP\/1.1 408 /)
  expect(await body.rest()).toMatch(/^HTTP\/1.1 408 /)
  expect(await silent.rest()).toBe('')
})

test('the time for a whole request holds for a head and for a body, however steadily they come', async () => {
  const relay = await relayTo(await server(() => undefined), { requestMs: 150 })
  const starts = ['GET / HTTP/1.1\r\nA: ', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9999\r\n\r\n']
  const clients = starts.map((start) => {
    const one = client(relay)
    one.send(start)
    const drops = setInterval(() => one.send('x'), 10)
    ending.push(() => clearInterval(drops))
    return one
  })
  for (const one of clients) expect(await one.rest()).toMatch(/^HTTP\/1.1 408 /)
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
