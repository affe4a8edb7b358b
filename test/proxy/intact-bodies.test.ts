import { EventEmitter, once } from 'node:events'
import http from 'node:http'
import https from 'node:https'
import type { Writable } from 'node:stream'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { LOCALHOST } from '../support/certificates.ts'
import { Cutover } from '../support/cutover.ts'
import { matches, pieces } from '../support/pattern.ts'
import { standstill } from '../support/standstill.ts'
import { Listening } from '../support/upstream.ts'
import { connect, endAll, endWithAll } from './support.ts'

/** More than the buffers of the system hold, so that a reader that stops makes the proxy wait. */
const LARGE = 12_000_000
const SMALL = 700
/** Several reads. */
const MEDIUM = 300_000

let cutover: Cutover
const agent = new http.Agent({ keepAlive: true })
/** Emits `held SEED` when the request of that seed is held, and `released` when they may go on. */
const held = new EventEmitter()

/** Reads a body to its end. Returns its length if it is the pattern of `seed`, and what is wrong otherwise. */
async function check(body: AsyncIterable<Buffer>, seed: number): Promise<number | string> {
  let length = 0
  for await (const chunk of body) {
    if (!matches(chunk, seed, length)) return `wrong bytes of seed ${seed} at ${length} to ${length + chunk.length}`
    length += chunk.length
  }
  return length
}

/** Writes the pattern of `seed`. `written`: the number of bytes written so far by all writers of this seed. */
async function write(to: Writable, seed: number, length: number, written: Map<number, number>): Promise<void> {
  for (const piece of pieces(seed, length)) {
    written.set(seed, (written.get(seed) ?? 0) + piece.length)
    if (!to.write(piece)) await once(to, 'drain')
  }
  to.end()
}

/** Bytes of each seed's body that servers and clients have written so far. */
const downloaded = new Map<number, number>()
const uploaded = new Map<number, number>()

async function serve(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
  const { searchParams: asked, pathname } = new URL(request.url as string, 'http://a')
  const seed = Number(asked.get('seed'))
  if (pathname === '/hold') {
    const released = once(held, 'released')
    held.emit(`held ${seed}`)
    await released
  }
  if (pathname !== '/down') {
    if (asked.has('slow')) await standstill(() => uploaded.get(seed) ?? 0)
    response.end(`${await check(request, seed)}`)
    return
  }
  if (asked.has('close')) {
    const socket = request.socket
    socket.write('HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n')
    await write(socket, seed, LARGE, downloaded)
    return
  }
  if (!asked.has('chunked')) response.setHeader('content-length', LARGE)
  await write(response, seed, LARGE, downloaded)
}

async function listening(server: http.Server | https.Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const listening = new Listening(server)
  endWithAll(() => listening.close())
  return listening.port
}

beforeAll(async () => {
  const plain = await listening(http.createServer(serve))
  const secure = await listening(https.createServer(LOCALHOST, serve))
  const services = {
    plain: { hosts: ['plain.test'], health: 'off', pools: { main: { servers: { a: `http://127.0.0.1:${plain}` } } } },
    secure: {
      hosts: ['secure.test'],
      health: 'off',
      pools: { main: { servers: { a: { url: `https://localhost:${secure}`, tls: { insecure: true } } } } },
    },
  }
  cutover = await Cutover.start({ services })
  endWithAll(() => cutover.stop('SIGKILL'))
  endWithAll(() => agent.destroy())
})
afterAll(endAll)

describe.each(['plain', 'secure'])('servers: %s', (kind) => {
  const host = `${kind}.test`

  function open(method: string, path: string, headers: http.OutgoingHttpHeaders = {}): http.ClientRequest {
    return http.request(new URL(path, cutover.proxy), { agent, method, headers: { host, ...headers } })
  }

  async function response(request: http.ClientRequest): Promise<http.IncomingMessage> {
    return (await once(request, 'response'))[0]
  }

  async function download(seed: number, query: string, isSlow: boolean): Promise<void> {
    const request = open('GET', `/down?seed=${seed}${query}`)
    request.end()
    const body = await response(request)
    if (isSlow) await standstill(() => downloaded.get(seed) ?? 0)
    expect(await check(body, seed)).toBe(LARGE)
  }

  async function upload(seed: number, query: string, headers: http.OutgoingHttpHeaders): Promise<void> {
    const request = open('POST', `/up?seed=${seed}${query}`, headers)
    const answer = response(request)
    await write(request, seed, LARGE, uploaded)
    const chunks: Buffer[] = []
    for await (const chunk of await answer) chunks.push(chunk as Buffer)
    expect(Buffer.concat(chunks).toString()).toBe(`${LARGE}`)
  }

  function post(path: string, seed: number, length: number): Buffer {
    const head = `POST ${path}?seed=${seed} HTTP/1.1\r\nhost: ${host}\r\ncontent-length: ${length}\r\n\r\n`
    return Buffer.concat([Buffer.from(head), ...pieces(seed, length)])
  }

  function small(path: string, seed: number): Buffer {
    return post(path, seed, SMALL)
  }

  /** Sends small requests with bodies one right behind the other, so that one read has several of them. */
  async function pipelined(seed: number, rounds: number): Promise<void> {
    const client = await connect(cutover)
    for (let round = 0; round < rounds; round++) {
      const seeds = [seed + round, seed + round + 1_000, seed + round + 2_000]
      client.send(Buffer.concat(seeds.map((each) => small('/up', each))))
      for (const _ of seeds) expect((await client.response()).text).toBe(`${SMALL}`)
    }
  }

  test('bodies arrive as they were sent, through readers on either side that stop', async () => {
    await Promise.all(
      [false, true].flatMap((isSlow, i) => {
        const seed = 5_000 * i
        const slow = isSlow ? '&slow' : ''
        return [
          download(seed + 1, '', isSlow),
          download(seed + 2, '&chunked', isSlow),
          download(seed + 5, '&close', isSlow),
          upload(seed + 3, slow, { 'content-length': LARGE }),
          upload(seed + 4, slow, { 'transfer-encoding': 'chunked' }),
          pipelined(seed + 6, 20),
        ]
      }),
    )
  })

  test('heads that come together with the beginning of a body, one request after the other', async () => {
    const client = await connect(cutover)
    for (let i = 0; i < 20; i++) {
      client.send(post('/up', i, MEDIUM))
      expect((await client.response()).text).toBe(`${MEDIUM}`)
    }
  })

  test('requests that wait behind another one stay as they were sent, while others are read', async () => {
    const clients = await Promise.all([1, 2, 3].map(() => connect(cutover)))
    const inFlight = Promise.all(
      clients.map(async (client, i) => {
        const isHeld = once(held, `held ${i}`)
        client.send(small('/hold', i))
        await isHeld
        client.send(small('/up', i + 50))
        client.send(small('/up', i + 90))
        for (let n = 0; n < 3; n++) expect((await client.response()).text).toBe(`${SMALL}`)
      }),
    )
    while (held.listenerCount('released') < clients.length) await pipelined(300, 1)
    held.emit('released')
    await inFlight
  })
})
