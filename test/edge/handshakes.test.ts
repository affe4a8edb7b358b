import { spawn } from 'node:child_process'
import { constants } from 'node:crypto'
import { once } from 'node:events'
import { createConnection, type Socket } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { residentBytes } from '../support/processes.ts'
import { RawConnection } from '../support/raw-client.ts'
import { until } from '../support/until.ts'
import { Edge, GET, refusalOf, secureTo } from './support.ts'

let edge: Edge
beforeAll(async () => {
  edge = await Edge.start({ proxy: { timeouts: { header: '1s' } } })
})
afterAll(() => edge.stop())

/** A plain connection to the TLS listener. */
async function plain(): Promise<Socket> {
  const socket = createConnection(edge.port, '127.0.0.1')
  socket.on('error', () => undefined)
  await once(socket, 'connect')
  return socket
}

/** How often a handshake has ended in this way so far. */
async function countOf(outcome: string): Promise<number> {
  return (await edge.handshakes())[outcome] ?? 0
}

/** Connections that the listener has open. */
async function open(): Promise<number> {
  const { body } = await edge.cutover.api('GET', '/metrics')
  return Number(/^cutover_connections\{listener="127\.0\.0\.1:\d+"\} (\d+)$/m.exec(body)?.[1])
}

test.each([
  ['GET / HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc'],
  ['HEAD / HTTP/1.0\r\n\r\n'],
  ['PUT / HTTP/1.1\r\nHost: a\r\n\r\n'],
])('plain HTTP (%j) is answered with a hint', async (request) => {
  const before = await countOf('plainHttp')
  const client = new RawConnection(await plain())
  client.send(request)
  const answer = await client.response()
  expect([answer.status, answer.text, answer.field('connection')]).toEqual([
    400,
    '400 This port speaks https.\n',
    'close',
  ])
  expect(await client.closed()).not.toBe('framed')
  await until(async () => (await countOf('plainHttp')) === before + 1)
})

test('what is no handshake ends the connection, and is counted', async () => {
  const before = await countOf('garbage')
  for (const bytes of ['\x80\x2e\x01\0\x02', '\0'.repeat(100), 'SSH-2.0-OpenSSH_9.7\r\n']) {
    const socket = await plain()
    socket.write(bytes)
    await once(socket.resume(), 'close')
  }
  await until(async () => (await countOf('garbage')) === before + 3)
})

test('a ClientHello that is cut off, byte by byte, or never comes is ended at the deadline', async () => {
  const before = await countOf('timeout')
  const began = performance.now()
  const silent = await plain()
  const half = await plain()
  // The beginning of a record of 512 bytes.
  half.write(Buffer.from('1603010200010001fc0303', 'hex'))
  const slow = await plain()
  slow.write(Buffer.from('16030102000100', 'hex'))
  const trickle = setInterval(() => slow.write(Buffer.from([0])), 100)
  await Promise.all([silent, half, slow].map((socket) => once(socket.resume(), 'close')))
  clearInterval(trickle)
  expect(performance.now() - began).toBeGreaterThan(900)
  expect(performance.now() - began).toBeLessThan(5_000)
  await until(async () => (await countOf('timeout')) === before + 3)
  expect(await open()).toBe(0)
})

test('a client that leaves in the middle is counted', async () => {
  const before = await countOf('left')
  const sockets = await Promise.all(Array.from({ length: 10 }, plain))
  for (const socket of sockets) socket.write(Buffer.from('1603010200010001fc0303', 'hex'))
  await until(async () => (await open()) === 10)
  for (const [i, socket] of sockets.entries()) {
    if (i % 2 === 0) socket.resetAndDestroy()
    else socket.destroy()
  }
  await until(async () => (await countOf('left')) === before + 10)
})

test('old versions, and ciphers that nobody should use, are refused', async () => {
  const before = await countOf('incompatible')
  const old = { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const
  expect(await refusalOf(edge.port, old)).toMatch(/ALERT_PROTOCOL_VERSION/)
  const weak = {
    maxVersion: 'TLSv1.2',
    ciphers: 'ECDHE-ECDSA-AES128-SHA:AES128-SHA:DHE-RSA-AES128-GCM-SHA256',
  } as const
  expect(await refusalOf(edge.port, weak)).toMatch(/HANDSHAKE_FAILURE/)
  for (const ecdhCurve of ['X448', 'P-521', 'ffdhe2048'])
    expect(await refusalOf(edge.port, { ecdhCurve }), ecdhCurve).toMatch(/HANDSHAKE_FAILURE/)
  expect(await refusalOf(edge.port, { ALPNProtocols: ['h3'] })).toMatch(/NO_APPLICATION_PROTOCOL/)
  await until(async () => (await countOf('incompatible')) === before + 6)
  expect(await refusalOf(edge.port, { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' })).toBe('served')
  expect(await refusalOf(edge.port, { ALPNProtocols: ['h2', 'http/1.1'] })).toBe('served')
  for (const ecdhCurve of ['X25519MLKEM768', 'X25519', 'P-256', 'P-384'])
    expect(await refusalOf(edge.port, { ecdhCurve }), ecdhCurve).toBe('served')
})

test('a client that does not trust the certificate is counted', async () => {
  const before = await countOf('refused')
  // Node's own client ends its handshake first, and then looks whether it trusts the certificate.
  const client = spawn('curl', ['--silent', `https://127.0.0.1:${edge.port}/`])
  expect((await once(client, 'exit'))[0]).toBe(60)
  await until(async () => (await countOf('refused')) === before + 1)
})

test('a renegotiation is refused, and the connection serves on or ends', async () => {
  const socket = await secureTo(edge.port, {
    maxVersion: 'TLSv1.2',
    secureOptions: constants.SSL_OP_LEGACY_SERVER_CONNECT,
  })
  const client = new RawConnection(socket)
  expect((await client.ask(GET)).status).toBe(200)
  const refused = new Promise((resolve) => {
    socket.on('error', resolve)
    socket.renegotiate({}, (error) => resolve(error ?? 'renegotiated'))
  })
  expect(String(await refused)).toMatch(/no renegotiation|NO_RENEGOTIATION/i)
  client.destroy()
  const other = await edge.raw()
  expect((await other.ask(GET)).status).toBe(200)
  other.destroy()
})

test('thousands of handshakes that fail leave no memory behind', async () => {
  const pid = edge.cutover.process.pid as number
  const round = async (): Promise<void> => {
    for (let i = 0; i < 40; i++) {
      await Promise.all(
        Array.from({ length: 25 }, async (_, index) => {
          const socket = await plain()
          if (index % 3 === 0) socket.write('GET / HTTP/1.1\r\n\r\n')
          else if (index % 3 === 1) socket.write('\0'.repeat(200))
          else socket.destroy()
          if (!socket.destroyed) await once(socket.resume(), 'close')
        }),
      )
    }
  }
  for (let i = 0; i < 8; i++) await round()
  const before = residentBytes(pid)
  for (let i = 0; i < 8; i++) await round()
  expect(residentBytes(pid) - before).toBeLessThan(25_000_000)
  await until(async () => (await open()) === 0)
  expect(edge.cutover.stderr).not.toMatch(/unexpected error/)
})

test('handshakes count towards the limit of connections', async () => {
  const limited = await Edge.start({ proxy: { limits: { connections: 2 }, timeouts: { header: '1s' } } })
  try {
    const first = createConnection(limited.port, '127.0.0.1')
    const second = createConnection(limited.port, '127.0.0.1')
    await Promise.all([once(first, 'connect'), once(second, 'connect')])
    expect(await refusalOf(limited.port)).toMatch(/ECONNRESET|closed/)
    // Their time is over after a second, and then there is room again.
    await Promise.all([once(first.resume(), 'close'), once(second.resume(), 'close')])
    expect(await refusalOf(limited.port)).toBe('served')
    const kept = await limited.raw()
    expect((await kept.ask(GET)).status).toBe(200)
    kept.destroy()
  } finally {
    await limited.stop()
  }
})
