/** A server behind the proxy, in a process of its own, for attackers and the others alike. */
import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo } from 'node:net'

const LARGE = Buffer.alloc(20_000_000, 'x')

const server = http.createServer((request, response) => {
  if (request.url === '/large') {
    response.writeHead(200, { 'content-length': LARGE.length }).end(LARGE)
    return
  }
  request.resume()
  request.on('end', () => {
    const ms = Number(new URLSearchParams(request.url?.slice(2)).get('ms') ?? 0)
    setTimeout(() => response.writeHead(200, { 'content-length': 2 }).end('ok'), ms)
  })
})
server.on('upgrade', (request, socket) => {
  socket.on('error', () => undefined)
  // A server that thinks about it for ever.
  if (request.url === '/never') return
  socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
  socket.resume()
})
server.keepAliveTimeout = 120_000
process.on('disconnect', () => process.exit())
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => undefined)
server.listen(0, '127.0.0.1')
await once(server, 'listening')
process.send?.((server.address() as AddressInfo).port)
