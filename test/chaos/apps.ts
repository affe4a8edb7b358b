/**
 * The servers of the services, in a process of their own. A request is answered with its server's name, after the
 * milliseconds that it asks for, once its body has been read whole. Each is recorded: what it is, when it came, and until
 * when it was under way.
 */
import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { monotonicMs } from '../support/monotonic.ts'
import type { FromApps, Served, ToApps } from './apps-process.ts'
import { ALL_SERVERS } from './services.ts'

const records: { -readonly [K in keyof Served]: Served[K] }[] = []
const tell = (message: FromApps) => process.send?.(message)

async function listen(name: string): Promise<number> {
  const server = http.createServer((request, response) => void answer(name, request, response))
  // Only the proxy decides when an idle connection ends; nothing here is to be explained by a race about that.
  server.keepAliveTimeout = 120_000
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

async function answer(name: string, request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
  if (request.url === '/healthz') {
    response.end(name)
    return
  }
  const query = new URLSearchParams(request.url?.slice(2))
  const record = {
    server: name,
    id: query.get('id') ?? '',
    via: query.get('via') ?? '',
    at: monotonicMs(),
    until: null,
  }
  records.push(record)
  let bytes = 0
  try {
    for await (const chunk of request) bytes += (chunk as Buffer).length
  } catch {
    return // The proxy broke off; there is nobody to answer.
  }
  const ms = Number(query.get('ms') ?? 0)
  if (ms > 0) await delay(ms)
  if (response.destroyed) return
  const body = `${name} ${record.id} ${bytes}`
  Object.assign(record, { until: monotonicMs() })
  response.writeHead(200, { 'content-length': body.length }).end(body)
}

process.on('disconnect', () => process.exit())
// Ctrl-C reaches the whole group; whoever started this process ends it.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => undefined)
process.on('message', (message: ToApps) => {
  if (message === 'report') tell({ type: 'served', records })
})
const ports = await Promise.all(ALL_SERVERS.map(async (name) => [name, await listen(name)] as const))
tell({ type: 'listening', ports: Object.fromEntries(ports) })
