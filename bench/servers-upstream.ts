/**
 * The servers of `servers.ts`: one process that listens at every address of 127.0.0.0/8, and counts each of them as a
 * server. Usage: node servers-upstream.ts PORT. `GET /fail?first=N` makes the first N answer 500 from then on.
 */
import { createServer } from 'node:net'
import { indexOf } from './servers-addresses.ts'

const passing = Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n')
const failing = Buffer.from('HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n')

let failFirst = 0
const server = createServer((socket) => {
  socket.on('error', () => undefined)
  socket.once('data', (chunk) => {
    const [, first] = /^GET \/fail\?first=(\d+)/.exec(chunk.toString('latin1', 0, 40)) ?? []
    if (first !== undefined) failFirst = Number(first)
    const fails = first === undefined && indexOf(socket.localAddress ?? '') < failFirst
    socket.end(fails ? failing : passing)
  })
})
server.listen({ port: Number(process.argv[2]), host: '0.0.0.0', backlog: 4_096 })
