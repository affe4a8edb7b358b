import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Cutover } from '../support/cutover.ts'
import { FullBacklog } from '../support/full-backlog.ts'
import type { RawConnection, RawMessage } from '../support/raw-client.ts'
import { until } from '../support/until.ts'
import { ask, connect, endAll, endWithAll, logged, metric, rawUpstream, startCutover } from './support.ts'

const HEAD = 'HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n'

let cutover: Cutover
/** Connections to the server that have been closed by the proxy. */
let closed = 0

beforeAll(async () => {
  const server = await rawUpstream(async (connection, socket) => {
    socket.once('close', () => closed++)
    for (;;) {
      const request = await connection.head().catch(() => null)
      if (request === null) return
      const [, path = ''] = request.startLine.split(' ')
      const [, what, ms = '0'] = path.split('/')
      const later = (bytes: string) => setTimeout(() => socket.writable && socket.write(bytes), Number(ms))
      if (what === 'head') later(`${HEAD}0123456789`)
      else if (what === 'body') {
        socket.write(`${HEAD}01234`)
        later('56789')
      } else if (what === 'trickle') {
        socket.write(HEAD)
        let left = 10
        const trickle = setInterval(() => {
          socket.write('.')
          if (--left === 0) clearInterval(trickle)
        }, Number(ms))
        socket.once('close', () => clearInterval(trickle))
      } else if (what === 'upload') {
        await connection.bytes(Number(request.field('content-length')))
        socket.write(`${HEAD}0123456789`)
      }
    }
  })
  const full = await FullBacklog.start()
  endWithAll(() => full.close())
  cutover = await startCutover({
    // Sub-second and longer ones run on different clocks.
    short: { servers: [server], timeouts: { response: '300ms', idle: '300ms' } },
    long: { servers: [server], timeouts: { response: '1s', idle: '1s' } },
    none: { servers: [server], timeouts: { response: 0, idle: 0 } },
    steady: { servers: [server], timeouts: { response: '900ms', idle: '900ms' } },
    two: { servers: [server, server], timeouts: { response: '300ms' } },
    full: { servers: [full], timeouts: { connect: '300ms' } },
    elsewhere: { servers: [full, server], timeouts: { connect: '300ms' } },
  })
})

afterAll(endAll)

/** The same again until it took less than `most` ms, or five times: a busy machine is late once, a coarse clock always. */
async function timedWithin(most: number, lines: readonly string[]): Promise<readonly [RawMessage, number]> {
  for (let tries = 1; ; tries++) {
    const [response, ms] = await timed(lines)
    if (ms < most || tries === 5) return [response, ms]
  }
}

/** A response, and how long it took to its end. */
async function timed(lines: readonly string[], body = ''): Promise<readonly [RawMessage, number]> {
  const since = performance.now()
  const response = await ask(cutover, lines, body)
  return [response, performance.now() - since]
}

describe('timeouts.response', () => {
  test.concurrent.each([
    ['short', 300, 600],
    ['long', 1_000, 1_100],
  ])('%s: 504 when the head has not come after %i ms', async (service, least, most) => {
    const [response, ms] = await timedWithin(most, [`GET /never/${service} HTTP/1.1`, `host: ${service}.test`])
    expect(response.status).toBe(504)
    expect(ms).toBeGreaterThanOrEqual(least - 2)
    expect(ms).toBeLessThan(most)
    expect(await logged(cutover, `/never/${service}`)).toMatchObject({
      status: 504,
      error: 'http_response_timeout',
      attempts: 1,
    })
  })

  test.concurrent.each([
    ['an upgrade', 'GET', ['connection: upgrade', 'upgrade: chat']],
    ['a body that the server is asked for first', 'POST', ['content-length: 4', 'expect: 100-continue']],
  ])('%s is kept waiting no longer', async (what, method, fields) => {
    for (const [service, least, most] of [
      ['short', 300, 600],
      ['long', 1_000, 1_100],
    ] as const) {
      const target = `/never/${what.replaceAll(' ', '-')}/${service}`
      const [response, ms] = await timedWithin(most, [
        `${method} ${target} HTTP/1.1`,
        `host: ${service}.test`,
        ...fields,
      ])
      expect(response.status).toBe(504)
      expect(ms).toBeGreaterThanOrEqual(least - 2)
      expect(ms).toBeLessThan(most)
    }
  })

  test('the server’s connection is closed: what comes late reaches nobody', async () => {
    const before = closed
    const [late] = await timed(['GET /head/1500 HTTP/1.1', 'host: short.test'])
    const [next] = await timed(['GET /head/0 HTTP/1.1', 'host: short.test'])
    expect([late.status, next.status, next.text]).toEqual([504, 200, '0123456789'])
    await until(() => closed > before, 1_000)
  })

  test('a slow request is not sent again elsewhere', async () => {
    const [response] = await timed(['GET /never/two HTTP/1.1', 'host: two.test'])
    expect([response.status, (await logged(cutover, '/never/two')).attempts]).toEqual([504, 1])
  })

  test('a head in time is fine', async () => {
    const [response] = await timed(['GET /head/150 HTTP/1.1', 'host: steady.test'])
    expect([response.status, response.text]).toEqual([200, '0123456789'])
  })

  test('runs from the end of the request: a body may take its time', async () => {
    const client = await connect(cutover)
    client.send('POST /upload HTTP/1.1\r\nhost: short.test\r\ncontent-length: 6\r\n\r\n')
    for (const byte of 'upload') {
      client.send(byte)
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    expect((await client.response()).text).toBe('0123456789')
  })

  test.concurrent('0 is none', async () => {
    const [response, ms] = await timed(['GET /head/1500 HTTP/1.1', 'host: none.test'])
    expect([response.status, response.text]).toEqual([200, '0123456789'])
    expect(ms).toBeGreaterThan(1_400)
  })
})

describe('timeouts.idle', () => {
  test.concurrent.each([
    ['short', 300, 700],
    ['long', 1_000, 1_100],
  ])('%s: a body that stops for %i ms is broken off', async (service, least, most) => {
    const [response, ms] = await timedWithin(most, [`GET /body/5000/${service} HTTP/1.1`, `host: ${service}.test`])
    expect([response.status, response.text]).toEqual([200, '01234'])
    expect(response.ending).not.toBe('framed')
    expect(ms).toBeGreaterThanOrEqual(least - 2)
    expect(ms).toBeLessThan(most)
    const line = await logged(cutover, `/body/5000/${service}`)
    expect(line).toMatchObject({ status: 200, bytes: 5, error: 'http_response_timeout' })
  })

  test.concurrent('a body that trickles is none of its business', async () => {
    const [response, ms] = await timed(['GET /trickle/150 HTTP/1.1', 'host: steady.test'])
    expect([response.text, response.ending]).toEqual(['..........', 'framed'])
    expect(ms).toBeGreaterThan(1_400)
  })

  test.concurrent('0 is none', async () => {
    const [response] = await timed(['GET /body/1500 HTTP/1.1', 'host: none.test'])
    expect([response.text, response.ending]).toEqual(['0123456789', 'framed'])
  })
})

describe('timeouts.connect', () => {
  test('504 when no connection has come about', async () => {
    const [response, ms] = await timedWithin(600, ['GET /connect HTTP/1.1', 'host: full.test'])
    expect(response.status).toBe(504)
    expect(ms).toBeGreaterThanOrEqual(298)
    expect(ms).toBeLessThan(600)
    expect(await logged(cutover, '/connect')).toMatchObject({ error: 'connection_timeout' })
  })

  test('another server is asked, with the body untouched', async () => {
    const [response] = await timed(['POST /upload HTTP/1.1', 'host: elsewhere.test', 'content-length: 4'], 'body')
    expect([response.status, response.text]).toEqual([200, '0123456789'])
    expect(await logged(cutover, '/upload')).toBeDefined()
    expect(await metric(cutover, 'cutover_retries_total', 'service="elsewhere",reason="connection_timeout"')).toBe(1)
  })
})

describe('timeouts of a client', () => {
  test('a header, and an idle connection, of a second are waited for as long, and a tenth longer at most', async () => {
    const timeouts = { header: '1s', keepAlive: '1s' }
    const impatient = await startCutover({}, { proxy: { timeouts } })
    const waited = async (begin: (client: RawConnection) => Promise<unknown>) => {
      const client = await connect(impatient)
      await begin(client)
      const since = performance.now()
      await client.closed()
      client.destroy()
      return performance.now() - since
    }
    const header = () => waited(async (client) => client.send('GET / HTTP/1.1\r\nHost'))
    const idle = () => waited((client) => client.ask(['GET / HTTP/1.1', 'host: nowhere.test']))
    for (const ways of [header, idle]) {
      let ms = await ways()
      for (let tries = 1; ms >= 1_150 && tries < 5; tries++) ms = await ways()
      expect(ms).toBeGreaterThan(900)
      // The timeout, a tenth, and what it takes to close.
      expect(ms).toBeLessThan(1_150)
    }
  })
})

test('nothing is left under way', async () => {
  expect(await metric(cutover, 'cutover_requests_in_flight')).toBe(0)
})
