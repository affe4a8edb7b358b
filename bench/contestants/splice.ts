/**
 * The floor of any proxy on Node: joins the sockets of client and upstream, and reads nothing of what passes. Usage: node
 * splice.ts PORT UPSTREAM_PORT
 */
import { connect, createServer } from 'node:net'

const [, , port, upstreamPort] = process.argv.map(Number)

createServer({ noDelay: true, allowHalfOpen: true }, (client) => {
  const upstream = connect({ port: upstreamPort as number, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
  client.on('error', () => upstream.destroy()).pipe(upstream)
  upstream.on('error', () => client.destroy()).pipe(client)
}).listen(port, '127.0.0.1')
