import { once } from 'node:events'
import http, { type RequestListener } from 'node:http'
import https from 'node:https'
import net, { type AddressInfo, type Socket } from 'node:net'
import { parseProxyHeader } from '../../src/proxy/proxy-protocol/parse.ts'
import type { KeyPair } from '../support/certificates.ts'
import { atEnd } from '../support/endings.ts'

/** A connection that began with a PROXY header. */
export interface Told {
  /** `192.0.2.1:1111`; null = the header names no client. */
  readonly client: string | null
  /** Requests, health checks included, in order. */
  readonly paths: string[]
}

export interface ToldUpstream {
  readonly port: number
  readonly url: string
  readonly connections: Told[]
  /** The connections that carried requests other than health checks. */
  readonly used: () => readonly Told[]
}

/** A server that reads a PROXY header before anything else on each connection, and answers with the client in it. */
export async function toldUpstream({
  pair,
  answer,
}: {
  pair?: KeyPair
  answer?: RequestListener
} = {}): Promise<ToldUpstream> {
  const connections: Told[] = []
  const byPort = new Map<string, Told>()
  const listener: RequestListener = (request, response) => {
    const told = byPort.get(String(request.socket.remotePort))
    told?.paths.push(request.url ?? '')
    if (answer !== undefined && request.url !== '/healthz') answer(request, response)
    else request.resume().on('end', () => response.end(told?.client ?? 'nobody'))
  }
  const app = pair === undefined ? http.createServer(listener) : https.createServer(pair, listener)
  const sockets = new Set<Socket>()
  const front = net.createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined).once('close', () => sockets.delete(socket))
    let bytes = Buffer.alloc(0)
    const read = (chunk: Buffer): void => {
      bytes = Buffer.concat([bytes, chunk])
      const reading = parseProxyHeader(bytes)
      if (reading.kind === 'incomplete') return
      if (reading.kind === 'invalid') {
        socket.destroy(new Error(reading.reason))
        return
      }
      const { source, length } = reading.header
      const told: Told = { client: source === null ? null : `${source.address}:${source.port}`, paths: [] }
      connections.push(told)
      byPort.set(String(socket.remotePort), told)
      socket.off('data', read).pause()
      app.emit('connection', socket)
      if (bytes.length > length) socket.unshift(bytes.subarray(length))
      socket.resume()
    }
    socket.on('data', read)
  })
  front.listen(0, '127.0.0.1')
  await once(front, 'listening')
  atEnd(() => {
    for (const socket of sockets) socket.destroy()
    front.close()
  })
  const { port } = front.address() as AddressInfo
  const url = `${pair === undefined ? 'http' : 'https'}://127.0.0.1:${port}`
  const used = () => connections.filter(({ paths }) => paths.some((path) => path !== '/healthz'))
  return { port, url, connections, used }
}
