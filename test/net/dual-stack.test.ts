import { once } from 'node:events'
import net from 'node:net'
import { networkInterfaces } from 'node:os'
import { afterEach, expect, test } from 'vitest'
import { OutboundCall } from '../../src/http1/outbound-call.ts'
import { Endpoint } from '../../src/net/endpoint.ts'
import { Names } from '../../src/net/names.ts'
import { failureOf } from '../../src/proxy/errors.ts'
import { Connections } from '../../src/proxy/upstream/connections.ts'
import { handlerOf } from '../http1/sockets.ts'
import { FullBacklog } from '../support/full-backlog.ts'

const hasIpv6 = Object.values(networkInterfaces()).some((each) => each?.some(({ address }) => address === '::1'))

const ending: (() => unknown)[] = []
afterEach(async () => {
  for (const end of ending.splice(0)) await end()
})

async function blackhole(host: string): Promise<FullBacklog> {
  const hole = await FullBacklog.start(host)
  ending.push(() => hole.close())
  return hole
}

/** Names that all have these addresses. */
function names(...addresses: readonly string[]): Names {
  const found = addresses.map((address) => ({ address, family: net.isIP(address) }))
  return new Names({ lookup: (_name, _options, callback) => callback(null, found) })
}

test.skipIf(!hasIpv6)('a server whose IPv6 address leads nowhere is reached by IPv4, after 250 ms', async () => {
  const { port } = await blackhole('::1')
  const server = net.createServer((socket) => socket.on('error', () => undefined).end()).listen(port, '127.0.0.1')
  await once(server, 'listening')
  ending.push(() => server.close())
  const endpoint = new Endpoint({ url: `http://dual.test:${port}` }, names('::1', '127.0.0.1'))
  const startedAt = performance.now()
  const socket = endpoint.connect()
  ending.push(() => socket.destroy())
  await once(socket, 'connect')
  expect(socket.remoteAddress).toBe('127.0.0.1')
  const ms = performance.now() - startedAt
  expect(ms).toBeGreaterThan(200)
  // Half a second is the default of Node.
  expect(ms).toBeLessThan(490)
})

test('the time to connect is that for all addresses together', async () => {
  const { port } = await blackhole('127.0.0.1')
  const addresses = ['127.0.0.1', '127.0.0.1', '127.0.0.1', '127.0.0.1']
  const settings = { address: { url: `http://dual.test:${port}` }, connectMs: 400, keepAliveMs: 0 }
  const connections = new Connections(settings, names(...addresses))
  const startedAt = performance.now()
  const code = await new Promise((resolve) => {
    const handler = handlerOf({ onFailed: (failure) => resolve(failureOf(failure).code) })
    const request = { method: 'GET', path: '/', lines: '', body: 'none', upgrade: '', takesTrailers: false } as const
    connections.start(new OutboundCall(request, handler), false)
  })
  expect(code).toBe('connection_timeout')
  expect(performance.now() - startedAt).toBeLessThan(800)
})
