import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { matches, piece } from '../support/pattern.ts'
import { RawConnection } from '../support/raw-client.ts'
import { PlainRelay } from './plain-relay.ts'
import { endAll, endWithAll } from './sockets.ts'

const PIECE = 20_000
const CHUNKED = 'transfer-encoding: chunked\r\n\r\n'
const LAST_CHUNK = '0\r\n\r\n'

afterEach(endAll)

/** A relay, its clients, and the connections that it opens to its server, in order. */
class Scene {
  readonly relay: PlainRelay
  private readonly server: ReturnType<typeof createServer>
  private readonly accepted: Socket[]
  private taken = 0

  private constructor(relay: PlainRelay, server: ReturnType<typeof createServer>, accepted: Socket[]) {
    this.relay = relay
    this.server = server
    this.accepted = accepted
  }

  static async begin(): Promise<Scene> {
    const accepted: Socket[] = []
    const server = createServer((socket) => {
      accepted.push(socket)
      server.emit('accepted')
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const relay = await PlainRelay.start((server.address() as AddressInfo).port)
    endWithAll(() => {
      relay.close()
      server.close()
      for (const socket of accepted) socket.destroy()
    })
    return new Scene(relay, server, accepted)
  }

  async client(): Promise<RawConnection> {
    const connection = await RawConnection.connect(this.relay.port)
    endWithAll(() => connection.destroy())
    return connection
  }

  async nextServer(): Promise<RawConnection> {
    while (this.accepted.length === this.taken) await once(this.server, 'accepted')
    return new RawConnection(this.accepted[this.taken++] as Socket)
  }

  /**
   * Sends chunks with the pattern of a seed to a receiver that does not read, until bytes of them wait in the relay. Returns
   * their total length.
   */
  async fill(from: RawConnection, seed: number, pending: () => number): Promise<number> {
    const before = pending()
    let length = 0
    for (; pending() === before; length += PIECE) await this.chunk(from, seed, length)
    return length
  }

  async chunk(from: RawConnection, seed: number, offset: number): Promise<void> {
    const framed = [Buffer.from(`${PIECE.toString(16)}\r\n`), piece(seed, offset, PIECE), Buffer.from('\r\n')]
    await new Promise((resolve) => from.socket.write(Buffer.concat(framed), resolve))
    // The relay runs in this process, and passes the chunk on in a turn of the same event loop.
    for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve))
  }
}

test('bytes that wait for a slow client stay as they are when their connection serves another one', async () => {
  const scene = await Scene.begin()
  const pending = () => scene.relay.pending.toClients
  const slow = await scene.client()
  slow.send('GET /slow HTTP/1.1\r\nhost: a\r\n\r\n').socket.pause()
  const server = await scene.nextServer()
  await server.head()
  server.send(`HTTP/1.1 200 OK\r\n${CHUNKED}`)
  const length = await scene.fill(server, 1, pending)
  server.send(LAST_CHUNK)

  const other = await scene.client()
  other.send('GET /other HTTP/1.1\r\nhost: a\r\n\r\n').socket.pause()
  expect((await server.head()).startLine).toBe('GET /other HTTP/1.1')
  server.send(`HTTP/1.1 200 OK\r\n${CHUNKED}`)
  const more = await scene.fill(server, 7_000, pending)
  for (let i = 0; i < 3; i++) await scene.chunk(server, 7_000, more + i * PIECE)

  slow.socket.resume()
  const { body } = await slow.response()
  expect([body.length, matches(body, 1, 0)]).toEqual([length, true])
})

// Bodies that are joined with their head, and those that are not.
test.each([10_000, 28_000])(
  'bytes that wait for a slow server stay as they are when others are sent (%i)',
  async (size) => {
    const scene = await Scene.begin()
    const pending = () => scene.relay.pending.toServer
    const client = await scene.client()
    client.send(`POST /slow HTTP/1.1\r\nhost: a\r\n${CHUNKED}`)
    const slow = await scene.nextServer()
    const received = await slow.head()
    slow.socket.pause()
    const length = await scene.fill(client, 1, pending)
    client.send(LAST_CHUNK)
    await scene.relay.happened('request sent')
    slow.send('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n')
    expect((await client.response()).status).toBe(200)
    // Takes the connection to the slow server, so that the next request gets another one.
    const other = await scene.client()
    other.send(post('/other', 3_000, size))
    await scene.relay.happened('request sent', 2)

    const third = await scene.client()
    third.send(post('/third', 4_000, size))
    expect((await (await scene.nextServer()).request()).body.length).toBe(size)
    client.send(`POST /next HTTP/1.1\r\nhost: a\r\n${CHUNKED}`)
    const next = await scene.nextServer()
    expect((await next.head()).startLine).toBe('POST /next HTTP/1.1')
    next.socket.pause()
    const more = await scene.fill(client, 7_000, pending)
    for (let i = 0; i < 3; i++) await scene.chunk(client, 7_000, more + i * PIECE)

    slow.socket.resume()
    await slow.bodyOf(received)
    expect([received.body.length, matches(received.body, 1, 0)]).toEqual([length, true])
    const { startLine, body } = await slow.request()
    expect([startLine, body.length, matches(body, 3_000, 0)]).toEqual(['POST /other HTTP/1.1', size, true])
  },
)

function post(path: string, seed: number, length: number): Buffer {
  const head = `POST ${path} HTTP/1.1\r\nhost: a\r\ncontent-length: ${length}\r\n\r\n`
  return Buffer.concat([Buffer.from(head), piece(seed, 0, length)])
}
