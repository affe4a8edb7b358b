import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Cutover } from '../support/cutover.ts'
import { FullBacklog } from '../support/full-backlog.ts'
import type { RawConnection } from '../support/raw-client.ts'
import { until } from '../support/until.ts'
import type { Upstream } from '../support/upstream.ts'
import { connect, endAll, endWithAll, logged, metric, startCutover, upstream } from './support.ts'

let cutover: Cutover
let server: Upstream
let held: [IncomingMessage, ServerResponse][]
let full: FullBacklog

beforeAll(async () => {
  server = await upstream((request, response) => {
    held.push([request, response])
    server.server.emit('held')
  })
  full = await FullBacklog.start()
  endWithAll(() => full.close())
  cutover = await startCutover({
    app: { servers: [server, server] },
    full: { servers: [full], timeouts: { connect: '20s' } },
    alone: { servers: [server] },
  })
  held = []
})

afterAll(endAll)

/** The next request at the server. */
async function next(): Promise<[IncomingMessage, ServerResponse]> {
  for (;;) {
    const first = held.shift()
    if (first !== undefined) return first
    await once(server.server, 'held')
  }
}

const LEAVING: Readonly<Record<string, (client: RawConnection) => void>> = {
  'closes its connection': ({ socket }) => void socket.destroy(),
  'resets its connection': ({ socket }) => void socket.resetAndDestroy(),
}

/** Resolves when the connection of a request at the server has closed, by a reset or otherwise. */
function closed({ socket }: IncomingMessage): Promise<void> {
  socket.on('error', () => undefined)
  return new Promise((resolve) => void socket.once('close', () => resolve()))
}

/** How long, in ms, until the server's connection is gone after `leave`. */
async function goneAfter(request: IncomingMessage, leave: () => void): Promise<number> {
  const gone = closed(request)
  const since = performance.now()
  leave()
  await gone
  return performance.now() - since
}

/** Nobody is blamed: counts are back, and both servers are up and get requests at their first attempt. */
async function expectNobodyBlamed(service: string, retriesBefore = 0): Promise<void> {
  const labels = `service="${service}"`
  await until(async () => (await metric(cutover, 'cutover_requests_in_flight', labels)) === 0, 1_000)
  expect(await metric(cutover, 'cutover_retries_total', labels)).toBe(retriesBefore)
  const { body } = await cutover.api('GET', `/api/services/${service}`)
  for (const { health } of body.pools[0].servers) expect(health).toBe('up')
}

describe.each(Object.entries(LEAVING))('Q6 a client %s', (way, leave) => {
  const id = way.split(' ')[0]

  test('while it waits for the head: the server’s request is gone in less than 1 s', async () => {
    const client = await connect(cutover)
    client.send(`GET /waiting-${id} HTTP/1.1\r\nhost: app.test\r\n\r\n`)
    const [request] = await next()
    expect(await metric(cutover, 'cutover_requests_in_flight', 'service="app"')).toBe(1)
    expect(await goneAfter(request, () => leave(client))).toBeLessThan(1_000)
    expect(await logged(cutover, `/waiting-${id}`)).toMatchObject({ status: 499, error: 'client_gone', bytes: 0 })
    await expectNobodyBlamed('app')
  })

  test('in the middle of the response’s body', async () => {
    const client = await connect(cutover)
    client.send(`GET /body-${id} HTTP/1.1\r\nhost: app.test\r\n\r\n`)
    const [request, response] = await next()
    response.write('beginning')
    await client.head()
    await client.bytes('9\r\nbeginning\r\n'.length)
    expect(await goneAfter(request, () => leave(client))).toBeLessThan(1_000)
    expect(await logged(cutover, `/body-${id}`)).toMatchObject({ status: 499, error: 'client_gone', bytes: 9 })
    await expectNobodyBlamed('app')
  })

  test('in the middle of its request’s body: the server never takes it for whole', async () => {
    const client = await connect(cutover)
    client.send(`POST /upload-${id} HTTP/1.1\r\nhost: app.test\r\ncontent-length: 100\r\n\r\nhalf`)
    const [request] = await next()
    request.resume().on('error', () => undefined)
    expect(await goneAfter(request, () => leave(client))).toBeLessThan(1_000)
    expect(request.complete).toBe(false)
    expect(await logged(cutover, `/upload-${id}`)).toMatchObject({ status: 499, error: 'client_gone' })
    await expectNobodyBlamed('app')
  })

  test('in the middle of a chunked request body', async () => {
    const client = await connect(cutover)
    client.send(`POST /chunks-${id} HTTP/1.1\r\nhost: app.test\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n`)
    const [request] = await next()
    request.resume().on('error', () => undefined)
    expect(await goneAfter(request, () => leave(client))).toBeLessThan(1_000)
    expect(request.complete).toBe(false)
    await expectNobodyBlamed('app')
  })

  test('while the proxy holds back a body that the client does not read', async () => {
    const client = await connect(cutover)
    client.socket.pause()
    client.send(`GET /stalled-${id} HTTP/1.1\r\nhost: app.test\r\n\r\n`)
    const [request, response] = await next()
    // Written on and on until neither side takes more.
    const chunk = Buffer.alloc(1 << 20)
    while (response.write(chunk) || (await Promise.race([once(response, 'drain').then(() => true), stalled()]))) {}
    expect(await goneAfter(request, () => leave(client))).toBeLessThan(1_000)
    expect((await logged(cutover, `/stalled-${id}`)).status).toBe(499)
    await expectNobodyBlamed('app')
  })

  test('with a pipelined request waiting, which is never sent', async () => {
    const client = await connect(cutover)
    client.send(`GET /front-${id} HTTP/1.1\r\nhost: app.test\r\n\r\nGET /back-${id} HTTP/1.1\r\nhost: app.test\r\n\r\n`)
    const [front] = await next()
    expect(await goneAfter(front, () => leave(client))).toBeLessThan(1_000)
    expect((await logged(cutover, `/front-${id}`)).status).toBe(499)
    await expectNobodyBlamed('app')
    expect(held).toEqual([])
  })
})

function stalled(): Promise<false> {
  return new Promise((resolve) => setTimeout(resolve, 300, false))
}

test('Q6 a client leaves while its request waits for a connection: the server never sees the request', async () => {
  const clients = [await connect(cutover), await connect(cutover)]
  clients[0]?.send('GET /connecting HTTP/1.1\r\nhost: full.test\r\n\r\n')
  clients[1]?.send('POST /connecting-post HTTP/1.1\r\nhost: full.test\r\ncontent-length: 4\r\n\r\nbody')
  await until(async () => (await metric(cutover, 'cutover_requests_in_flight', 'service="full"')) === 2, 2_000)
  for (const client of clients) client.destroy()
  expect(await logged(cutover, '/connecting')).toMatchObject({ status: 499, error: 'client_gone', attempts: 1 })
  expect(await logged(cutover, '/connecting-post')).toMatchObject({ status: 499, attempts: 1 })
  await expectNobodyBlamed('full')
  // Their connections were given up, so that nothing is said on them. A third request shows that the server would see it.
  const late = await connect(cutover)
  late.send('GET /late HTTP/1.1\r\nhost: full.test\r\n\r\n')
  await until(async () => (await metric(cutover, 'cutover_requests_in_flight', 'service="full"')) === 1, 2_000)
  const seen = await full.resume(1, 'GET /late')
  const said = seen.join('')
  expect(said).not.toContain('connecting')
  expect(said).not.toContain('body')
})

test('the server goes on to be asked: a request behind one whose client left is served', async () => {
  const client = await connect(cutover)
  client.send('GET /left HTTP/1.1\r\nhost: alone.test\r\n\r\n')
  await next()
  client.destroy()
  await logged(cutover, '/left')
  const other = await connect(cutover)
  other.send('GET /served HTTP/1.1\r\nhost: alone.test\r\n\r\n')
  const [, response] = await next()
  response.end('served')
  expect((await other.response()).text).toBe('served')
  expect(await logged(cutover, '/served')).toMatchObject({ status: 200, attempts: 1 })
})
