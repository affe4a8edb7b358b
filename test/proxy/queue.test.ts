import type { ServerResponse } from 'node:http'
import { afterAll, describe, expect, test } from 'vitest'
import { Cutover } from '../support/cutover.ts'
import type { RawConnection } from '../support/raw-client.ts'
import { until } from '../support/until.ts'
import { freePort } from '../support/upstream.ts'
import { ask, connect, endAll, endWithAll, logged, metric, startCutover, upstream } from './support.ts'

afterAll(endAll)

/** A server that answers each request when it is told to. */
async function holding() {
  const held = new Map<string, ServerResponse>()
  let most = 0
  const server = await upstream((request, response) => {
    held.set(request.url as string, response)
    most = Math.max(most, held.size)
    response.once('close', () => held.delete(request.url as string))
  })
  return {
    server,
    held,
    seen: () => server.requests.map(({ url }) => url),
    most: () => most,
    async release(url: string): Promise<void> {
      await until(() => held.has(url), 5_000)
      held.get(url)?.end(url)
    },
  }
}

async function send(cutover: Cutover, target: string): Promise<RawConnection> {
  const client = await connect(cutover)
  client.send(`GET ${target} HTTP/1.1\r\nhost: app.test\r\n\r\n`)
  return client
}

const queued = (cutover: Cutover) => metric(cutover, 'cutover_queued_requests')

/** Sends a request that has to wait, and returns when it does. */
async function sendToWait(cutover: Cutover, target: string): Promise<RawConnection> {
  const before = await queued(cutover)
  const client = await send(cutover, target)
  await until(async () => (await queued(cutover)) === before + 1, 5_000)
  return client
}

const oneAtATime = { connections: { perServer: 1 }, timeouts: { queue: '20s' } }

describe('requests above perServer', () => {
  test('wait, and are served in the order they came', async () => {
    const { server, seen, most, release } = await holding()
    const cutover = await startCutover({ app: { servers: [server], ...oneAtATime } })
    const clients = [await send(cutover, '/0')]
    await server.arrived(1)
    for (const target of ['/1', '/2', '/3']) clients.push(await sendToWait(cutover, target))
    expect(seen()).toEqual(['/0'])
    for (const [i, client] of clients.entries()) {
      await release(`/${i}`)
      expect((await client.response()).text).toBe(`/${i}`)
    }
    expect([seen(), most()]).toEqual([['/0', '/1', '/2', '/3'], 1])
    const line = await logged(cutover, '/3')
    expect(line.queueMs).toBeGreaterThan(0)
    expect(line.ms).toBeGreaterThanOrEqual(line.queueMs as number)
    expect(await queued(cutover)).toBe(0)
  })

  test('are refused at once without timeouts.queue', async () => {
    const { server, seen, release } = await holding()
    const cutover = await startCutover({ app: { servers: [server], connections: { perServer: 1 } } })
    const first = await send(cutover, '/first')
    await server.arrived(1)
    const response = await ask(cutover, ['GET /busy HTTP/1.1', 'host: app.test'])
    expect([response.status, response.field('retry-after'), response.field('proxy-status')]).toEqual([
      503,
      '1',
      'cutover; error=connection_limit_reached',
    ])
    await release('/first')
    expect((await first.response()).status).toBe(200)
    expect(seen()).toEqual(['/first'])
  })

  test('are refused when timeouts.queue has passed, and never sent', async () => {
    const { server, seen, release } = await holding()
    const sketch = { servers: [server], connections: { perServer: 1 }, timeouts: { queue: '150ms' } }
    const cutover = await startCutover({ app: sketch })
    const first = await send(cutover, '/first')
    await server.arrived(1)
    const since = performance.now()
    const response = await ask(cutover, ['GET /late HTTP/1.1', 'host: app.test'])
    expect(performance.now() - since).toBeGreaterThan(140)
    expect([response.status, response.field('retry-after')]).toEqual([503, '1'])
    const line = await logged(cutover, '/late')
    expect(line).toMatchObject({ status: 503, error: 'connection_limit_reached', attempts: 0, pool: 'main' })
    expect(line.queueMs).toBeGreaterThan(140)
    await release('/first')
    await first.response()
    expect(seen()).toEqual(['/first'])
    expect(await queued(cutover)).toBe(0)
  })

  test('Q6 are never sent when their client has left', async () => {
    const { server, seen, release } = await holding()
    const cutover = await startCutover({ app: { servers: [server], ...oneAtATime } })
    const first = await send(cutover, '/first')
    await server.arrived(1)
    const leaving = await sendToWait(cutover, '/left')
    const last = await sendToWait(cutover, '/last')
    leaving.destroy()
    await until(async () => (await queued(cutover)) === 1, 5_000)
    expect(await logged(cutover, '/left')).toMatchObject({ status: 499, error: 'client_gone', attempts: 0 })
    await release('/first')
    await first.response()
    await release('/last')
    expect((await last.response()).text).toBe('/last')
    expect(seen()).toEqual(['/first', '/last'])
  })

  test('are spread over servers, none of which ever has more', async () => {
    const held = await Promise.all([holding(), holding()])
    const servers = held.map(({ server }) => server)
    const cutover = await startCutover({
      app: { servers, connections: { perServer: 3 }, timeouts: { queue: '20s' } },
    })
    const targets = Array.from({ length: 40 }, (_, i) => `/${i}`)
    const answers = Promise.all(targets.map(async (target) => (await (await send(cutover, target)).response()).text))
    // None is answered before all have come: both servers have as many as they may.
    await until(async () => (await queued(cutover)) === 34, 20_000)
    const releasing = targets.map((target) => Promise.any(held.map(({ release }) => release(target))))
    expect(await answers).toEqual(targets)
    await Promise.all(releasing)
    expect(held.map(({ most }) => most())).toEqual([3, 3])
  })

  test('an upgrade counts, and waits, like any other', async () => {
    const { server, release } = await holding()
    server.server.on('upgrade', (_request, socket) => {
      socket.on('error', () => socket.destroy())
      socket.end('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\nhello')
    })
    const cutover = await startCutover({ app: { servers: [server], ...oneAtATime } })
    const first = await send(cutover, '/first')
    await server.arrived(1)
    const client = await connect(cutover)
    client.send('GET /up HTTP/1.1\r\nhost: app.test\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n')
    await until(async () => (await queued(cutover)) === 1, 5_000)
    await release('/first')
    await first.response()
    expect((await client.head()).status).toBe(101)
    expect((await client.bytes(5)).toString()).toBe('hello')
  })

  test('a body waits with its request, and arrives whole', async () => {
    const { server, release } = await holding()
    const cutover = await startCutover({ app: { servers: [server], ...oneAtATime } })
    const first = await send(cutover, '/first')
    await server.arrived(1)
    const client = await connect(cutover)
    client.send('POST /body HTTP/1.1\r\nhost: app.test\r\ncontent-length: 100000\r\n\r\n')
    client.send(Buffer.alloc(100_000, 'x'))
    await until(async () => (await queued(cutover)) === 1, 5_000)
    let bytes = 0
    server.server.on('request', (request) => request.on('data', (chunk: Buffer) => (bytes += chunk.length)))
    await release('/first')
    await first.response()
    await until(() => bytes === 100_000, 5_000)
    await release('/body')
    expect((await client.response()).status).toBe(200)
  })
})

describe('who waits goes on', () => {
  test('when the limit of the server is raised', async () => {
    const { server, release } = await holding()
    const cutover = await startCutover({ app: { servers: [server], ...oneAtATime } })
    await send(cutover, '/first')
    await server.arrived(1)
    const second = await sendToWait(cutover, '/second')
    const { body } = await cutover.api('PATCH', '/api/servers/a?wait=5s', { maxConnections: 2, reason: 'bigger' })
    expect(body.servers[0].maxConnections).toBe(2)
    await release('/second')
    expect((await second.response()).text).toBe('/second')
    const { history } = (await cutover.api('GET', '/api/services/app/history')).body
    expect(history[0]).toMatchObject({ action: 'maxConnections', reason: 'bigger' })
    await cutover.api('PATCH', '/api/servers/a', { maxConnections: null })
    expect((await cutover.api('GET', '/api/servers/a')).body.servers[0].maxConnections).toBe(1)
  })

  test('to the other pool after a switch, without waiting for the old one', async () => {
    const [blue, green] = [await holding(), await upstream(undefined, 'green')]
    const pools = { blue: { servers: { b: blue.server.url } }, green: { servers: { g: green.url } } }
    const shop = { pools, split: { blue: 100 }, health: 'off', hosts: ['app.test'], ...oneAtATime }
    const cutover = await Cutover.start({ services: { shop } })
    endWithAll(() => cutover.stop('SIGKILL'))
    const first = await send(cutover, '/first')
    await blue.server.arrived(1)
    const second = await sendToWait(cutover, '/second')
    await cutover.api('POST', '/api/services/shop/switch', { to: 'green' })
    expect((await second.response()).text).toBe('green')
    await blue.release('/first')
    expect((await first.response()).text).toBe('/first')
    expect(blue.seen()).toEqual(['/first'])
  })

  test('to a 503 when the last server of all is taken out', async () => {
    const { server } = await holding()
    const cutover = await startCutover({ app: { servers: [server], ...oneAtATime } })
    await send(cutover, '/first')
    await server.arrived(1)
    const second = await sendToWait(cutover, '/second')
    await cutover.api('POST', '/api/servers/a/disable', { force: true })
    expect((await second.response()).status).toBe(503)
    expect(await logged(cutover, '/second')).toMatchObject({ error: 'destination_unavailable' })
  })

  test('to a busy server, when the one that had room cannot be reached', async () => {
    const { server, seen, release } = await holding()
    const dead = { port: await freePort() }
    const cutover = await startCutover({ app: { servers: [server, dead], ...oneAtATime } })
    const first = await send(cutover, '/first')
    await server.arrived(1)
    const second = await sendToWait(cutover, '/second')
    await release('/first')
    await first.response()
    await release('/second')
    expect((await second.response()).text).toBe('/second')
    expect(seen()).toEqual(['/first', '/second'])
    expect(await logged(cutover, '/second')).toMatchObject({ status: 200, attempts: 2 })
  })
})
