import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Cutover } from '../support/cutover.ts'
import { ask, connect, endAll, type Sketch, speaking, startCutover } from './support.ts'

let sketches: Record<string, Sketch>

beforeAll(async () => {
  const server = await speaking(() => 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok')
  sketches = { app: { servers: [server] } }
})

afterAll(endAll)

describe('timeouts of clients', () => {
  let cutover: Cutover

  beforeAll(async () => {
    cutover = await startCutover(sketches, { proxy: { timeouts: { header: '1s', keepAlive: '1s' } } })
  })

  test.concurrent('W10 a head that trickles gets 408, and nobody else has to wait', async () => {
    const slow = await connect(cutover)
    const since = performance.now()
    slow.send('GET / HTTP/1.1\r\nhost: app.test\r\n')
    const trickle = setInterval(() => slow.send('x-a: 1\r\n'), 50)
    expect((await ask(cutover, ['GET / HTTP/1.1', 'host: app.test'])).text).toBe('ok')
    const response = await slow.response()
    clearInterval(trickle)
    expect(response.status).toBe(408)
    expect(performance.now() - since).toBeGreaterThan(990)
    expect(performance.now() - since).toBeLessThan(3_500)
    await slow.closed()
  })

  test.concurrent('an idle connection is closed after keepAlive, and not before', async () => {
    const client = await connect(cutover)
    for (let i = 0; i < 3; i++) {
      expect((await client.ask(['GET / HTTP/1.1', 'host: app.test'])).text).toBe('ok')
      await new Promise((resolve) => setTimeout(resolve, 300))
    }
    const since = performance.now()
    expect(await client.closed()).toBe('fin')
    expect(performance.now() - since).toBeGreaterThan(600)
    expect(performance.now() - since).toBeLessThan(4_000)
  })
})

test('a deadline for the whole request may be shorter than the one for its head', async () => {
  const cutover = await startCutover(sketches, { proxy: { timeouts: { request: '1s' } } })
  const client = await connect(cutover)
  client.send('POST / HTTP/1.1\r\nhost: app.test\r\ncontent-length: 10\r\n\r\nhalf')
  expect((await client.response()).status).toBe(408)
  expect((await ask(cutover, ['GET / HTTP/1.1', 'host: app.test'])).text).toBe('ok')
})

test('limits of 0 are none', async () => {
  const cutover = await startCutover(sketches, { proxy: { limits: { headerBytes: 0, urlBytes: 0 } } })
  const lines = [`GET /${'x'.repeat(40_000)} HTTP/1.1`, 'host: app.test', `x-a: ${'a'.repeat(100_000)}`]
  expect((await ask(cutover, lines)).status).toBe(200)
})

test('limits that are set hold', async () => {
  const cutover = await startCutover(sketches, { proxy: { limits: { headerBytes: '2kb', urlBytes: 100 } } })
  const status = async (...lines: string[]) => (await ask(cutover, [...lines, 'host: app.test'])).status
  expect(await status(`GET /${'x'.repeat(99)} HTTP/1.1`)).toBe(200)
  expect(await status(`GET /${'x'.repeat(100)} HTTP/1.1`)).toBe(414)
  expect(await status('GET / HTTP/1.1', `x-a: ${'a'.repeat(1_500)}`)).toBe(200)
  expect(await status('GET / HTTP/1.1', `x-a: ${'a'.repeat(3_000)}`)).toBe(431)
})

test('connections that have not sent their PROXY header count for limits.connections', async () => {
  const cutover = await startCutover(sketches, {
    proxy: {
      listen: { address: '127.0.0.1:0', proxyProtocol: true },
      trustedProxies: ['127.0.0.0/8'],
      limits: { connections: 3 },
    },
  })
  const header = 'PROXY TCP4 192.0.2.1 198.51.100.2 1111 80\r\n'
  const waiting = [await connect(cutover), await connect(cutover)]
  const served = (await connect(cutover)).send(header)
  expect((await served.ask(['GET / HTTP/1.1', 'host: app.test'])).text).toBe('ok')
  const further = (await connect(cutover)).send(header)
  await further.closed()
  expect(further.hasMore).toBe(false)
  // One that has sent its header was counted before.
  const [first] = waiting
  first?.send(header)
  expect((await first?.ask(['GET / HTTP/1.1', 'host: app.test']))?.text).toBe('ok')
})

test.each([false, true])(
  'a silent connection is probed by TCP, so that a dead machine is noticed (PROXY header: %s)',
  async (proxyProtocol) => {
    const cutover = await startCutover(sketches, {
      proxy: { listen: { address: '127.0.0.1:0', proxyProtocol }, trustedProxies: ['127.0.0.0/8'] },
    })
    const client = await connect(cutover)
    if (proxyProtocol) client.send('PROXY TCP4 192.0.2.1 198.51.100.2 1111 80\r\n')
    expect((await client.ask(['GET / HTTP/1.1', 'host: app.test'])).text).toBe('ok')
    const port = (number: number | undefined) => `:${(number ?? 0).toString(16).toUpperCase().padStart(4, '0')}`
    const { localPort, remotePort } = client.socket
    // The proxy's end: local address, remote address, state, queues, timer (2 = keep-alive) and when it runs out, 1/100 s.
    const line = new RegExp(`${port(remotePort)} \\S+${port(localPort)} 01 \\S+ 02:([0-9A-F]+)`)
    const [, runsOut = ''] = line.exec(await readFile('/proc/net/tcp', 'latin1')) ?? []
    expect(Number.parseInt(runsOut, 16)).toBeGreaterThan(0)
    expect(Number.parseInt(runsOut, 16)).toBeLessThanOrEqual(6_100)
  },
)
