/**
 * Servers in a process of their own. Usage: node upstream.ts '{"NAME": PORT, …}', 0 for any port. Told over IPC how to
 * behave; tells which requests it answered badly on purpose. SIGTERM ends it as it would end an app.
 */
import { once } from 'node:events'
import http from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { answer } from './upstream-answers.ts'
import { Faults } from './upstream-faults.ts'
import type { FromUpstream, ToUpstream } from './upstream-messages.ts'
import { Sockets } from './upstream-sockets.ts'
import { acceptWebSockets } from './upstream-websockets.ts'

/** How long requests may go on after SIGTERM. */
const GRACE_MS = 500
/** Outside of what the system gives away by itself: nobody else gets the port while its server is away. */
const PORTS = { from: 12_000, to: 32_000 }
const LISTEN_TRIES = 200

const tell = (message: FromUpstream) => process.send?.(message)
const servers: http.Server[] = []
const sockets: Sockets[] = []
const faults = new Faults(sockets, (id, how) => tell({ type: 'disturbed', id, how }))

async function start(name: string, port: number): Promise<number> {
  const server = http.createServer()
  sockets.push(new Sockets(server))
  // Only the proxy decides when an idle connection ends: for `steady` nothing is to be explained by a race about that.
  server.keepAliveTimeout = 60_000
  server.on('request', (request, response) => {
    response.setHeader('x-soak-server', name)
    if (request.url === '/healthz') response.end(name)
    else if (!faults.strike(request, response)) answer(request, response)
  })
  acceptWebSockets(server, faults)
  servers.push(server)
  for (let tries = 1; ; tries++) {
    const candidate = port || PORTS.from + Math.floor(Math.random() * (PORTS.to - PORTS.from))
    try {
      server.listen(candidate, '127.0.0.1')
      await once(server, 'listening')
      return candidate
    } catch (error) {
      if (tries === LISTEN_TRIES) throw error
      // Its own port, of which something of the process before may be left: it will go.
      if (port !== 0) await delay(50)
    }
  }
}

async function stop(): Promise<void> {
  const closed = servers.map((server) => new Promise((resolve) => server.close(resolve)))
  await Promise.race([Promise.all(closed), delay(GRACE_MS)])
  process.exit()
}

// Ctrl-C reaches the whole group; whoever started this process ends it.
process.on('SIGINT', () => undefined)
process.on('SIGTERM', stop)
process.on('disconnect', () => process.exit())
process.on('message', ({ mode }: ToUpstream) => faults.become(mode))

const names = Object.entries(JSON.parse(process.argv[2] ?? '{}') as Record<string, number>)
const ports: Record<string, number> = {}
for (const [name, port] of names) ports[name] = await start(name, port)
tell({ type: 'listening', ports })
