import { beforeAll, describe, expect, test } from 'vitest'
import { Cutover } from '../support/cutover.ts'
import { atEnd } from '../support/endings.ts'
import { RawConnection } from '../support/raw-client.ts'
import { until } from '../support/until.ts'
import { startUpstream } from '../support/upstream.ts'
import { rawService } from './raw-service.ts'
import { poolView, raw, serverView } from './support.ts'

const request = (protocol = 'chat', target = '/live') =>
  `GET ${target} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: ${protocol}\r\n\r\n`
const agreed = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: chat\r\n\r\n'

const WAYS = [
  ['closes its direction', (client: RawConnection) => client.socket.end()],
  ['resets the connection', (client: RawConnection) => client.socket.resetAndDestroy()],
  ['sends something and leaves', (client: RawConnection) => client.send('early').socket.end()],
] as const

test.each(WAYS)(
  'a client that %s while the handshake waits: the server is let go, nothing is under way',
  async (_how, leave) => {
    const { cutover, accepted } = await rawService()
    const client = await raw(cutover)
    client.send(request())
    const server = await accepted()
    await server.head()
    expect((await poolView(cutover, 'blue')).inFlight).toBe(1)
    leave(client)
    await server.closed()
    await until(async () => (await poolView(cutover, 'blue')).inFlight === 0)
  },
)

test.each(WAYS)('an upgrade whose client %s while it is queued is never sent', async (_how, leave) => {
  const { cutover, accepted, server } = await rawService({ connections: { perServer: 1 }, timeouts: { queue: '60s' } })
  const first = await raw(cutover)
  first.send(request())
  const busy = await accepted()
  await busy.head()
  busy.send(agreed)
  await first.head()
  const second = await raw(cutover)
  second.send(request())
  await until(async () => (await queued(cutover)) === 1)
  leave(second)
  await until(async () => (await queued(cutover)) === 0)
  first.destroy()
  busy.destroy()
  await until(async () => (await poolView(cutover, 'blue')).inFlight === 0)
  expect(server.accepted).toBe(1)
})

/** Requests that wait for a server of the service `shop`. */
async function queued(cutover: Cutover): Promise<number> {
  const { body } = await cutover.api('GET', '/metrics')
  return Number(/^cutover_queued_requests\{service="shop"\} (\d+)$/m.exec(body)?.[1] ?? 0)
}

test('what a client sends before the server has agreed arrives behind the handshake, however much', async () => {
  const { cutover, accepted } = await rawService()
  const client = await raw(cutover)
  client.send(request())
  const server = await accepted()
  await server.head()
  const early = Buffer.alloc(3_000_000, 'early')
  client.send(early)
  server.send(agreed)
  await client.head()
  expect((await server.bytes(early.length)).equals(early)).toBe(true)
})

test('a refused upgrade whose body has no end is cut, whether it trickles or stops', async () => {
  const { cutover, accepted } = await rawService()
  for (const trickles of [true, false]) {
    const client = await raw(cutover)
    client.send(request().replace('\r\n\r\n', '\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n'))
    const server = await accepted()
    await server.head()
    server.send('HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno')
    const trickle = setInterval(() => trickles && client.send('1\r\nx\r\n'), 20)
    expect((await client.response()).text).toBe('no')
    await client.closed()
    await new Promise((resolve) => client.socket.once('close', resolve).destroy())
    clearInterval(trickle)
    await until(async () => (await poolView(cutover, 'blue')).inFlight === 0)
  }
})

describe('with short limits', () => {
  let cutover: Cutover
  let refusedEnded = false

  beforeAll(async () => {
    const echo = await startUpstream()
    echo.server.on('upgrade', ({ headers }, socket) => {
      socket.write(agreed.replace('chat', headers.upgrade ?? ''))
      socket.pipe(socket)
      socket.on('error', () => socket.destroy())
    })
    const refusing = await startUpstream()
    refusing.server.on('upgrade', (_request, socket) => {
      socket.write('HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n')
      const more = () => {
        while (socket.write(`4000\r\n${'x'.repeat(0x4000)}\r\n`));
      }
      socket.on('drain', more).on('error', () => socket.destroy())
      socket.on('close', () => {
        refusedEnded = true
      })
      more()
    })
    const service = (path: string, url: string) => ({
      paths: [path],
      health: 'off',
      pools: { blue: { servers: { [`${path.slice(1)}1`]: url } } },
    })
    cutover = await Cutover.start({
      proxy: { timeouts: { tunnel: '2s', idleBody: '300ms' } },
      services: { echo: service('/echo', echo.url), refusing: service('/refusing', refusing.url) },
    })
    return async () => {
      await cutover.stop('SIGKILL')
      await Promise.all([echo.close(), refusing.close()])
    }
  }, 60_000)

  test('a tunnel through which nothing passes is ended after timeouts.tunnel; one that is used is not', async () => {
    const open = async (protocol: string, target: string) => {
      const client = await RawConnection.connect(cutover.proxy)
      atEnd(() => client.destroy())
      client.send(request(protocol, target))
      expect((await client.head()).status).toBe(101)
      return client
    }
    const used = await open('chat', '/echo/used')
    const idle = await open('chat', '/echo/idle')
    const webSocket = await open('websocket', '/echo/idle-websocket')
    let isOpen = true
    const others = Promise.all([idle.rest(), webSocket.rest()]).finally(() => {
      isOpen = false
    })
    // Longer than it may be idle, and until the others have ended.
    const since = performance.now()
    while (isOpen || performance.now() - since < 3_000) {
      used.send('ping')
      expect((await used.bytes(4)).toString()).toBe('ping')
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    // 1001: this end is going away.
    expect(await others).toEqual(['', '\x88\x02\x03\xe9'])
    await cutover.printed(/"target":"\/echo\/idle-websocket"/)
    await cutover.printed(/"target":"\/echo\/idle"/)
    const ended = cutover.accessLog().filter(({ target }) => String(target).startsWith('/echo/idle'))
    expect(ended.map(({ status, error }) => [status, error])).toEqual([
      [101, 'tunnel_idle'],
      [101, 'tunnel_idle'],
    ])
  })

  test('a client that takes nothing of an endless refusal is cut after idleBody', async () => {
    const client = await RawConnection.connect(cutover.proxy)
    atEnd(() => client.destroy())
    client.send(request('chat', '/refusing/'))
    expect((await client.head()).status).toBe(403)
    client.socket.pause()
    await until(() => refusedEnded)
    await until(async () => (await serverView(cutover, 'refusing1')).inFlight === 0)
  })
})
