import { once } from 'node:events'
import { createServer, type RequestListener, type Server, type ServerOptions } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { ProxyHeader } from '../../src/proxy/proxy-protocol/header.ts'
import { ProxyProtocolServer, type ProxyProtocolSettings } from '../../src/proxy/proxy-protocol/server.ts'
import { RawConnection } from '../support/raw-client.ts'

const SIGNATURE = Buffer.from('0d0a0d0a000d0a515549540a', 'hex')

/** Both addresses and both ports of `192.0.2.1:1111 → 198.51.100.2:8080`. */
export const IPV4 = Buffer.from('c0000201c633640204571f90', 'hex')
/** The same of `[2001:db8::1]:1111 → [2001:db8::2]:8080`. */
export const IPV6 = Buffer.from(`20010db8${'00'.repeat(11)}0120010db8${'00'.repeat(11)}0204571f90`, 'hex')

export const TEXT_HEADER = Buffer.from('PROXY TCP4 192.0.2.1 198.51.100.2 1111 8080\r\n')

export type Tlvs = readonly (readonly [type: number, value: Buffer])[]

export interface Sketch {
  /** Version and command. */
  readonly command?: number
  /** Family and transport. */
  readonly family?: number
  /** Addresses and ports. */
  readonly addresses?: Buffer
  readonly tlvs?: Tlvs
  /** What the header says its length is; by default, what it is. */
  readonly length?: number
}

/** A header of version 2; by default of TCP over IPv4, without TLVs. */
export function binaryHeader(sketch: Sketch = {}): Buffer {
  const { command = 0x21, family = 0x11, addresses = IPV4, tlvs = [] } = sketch
  const body = Buffer.concat([addresses, ...tlvs.map(([type, value]) => tlv(type, value))])
  const fixed = Buffer.alloc(4)
  fixed.set([command, family])
  fixed.writeUInt16BE(sketch.length ?? body.length, 2)
  return Buffer.concat([SIGNATURE, fixed, body])
}

function tlv(type: number, value: Buffer): Buffer {
  const fixed = Buffer.from([type, 0, 0])
  fixed.writeUInt16BE(value.length, 1)
  return Buffer.concat([fixed, value])
}

/** A header with a checksum TLV, which is right, between the other TLVs. */
export function checksummed(sketch: Sketch = {}, behind: Tlvs = []): Buffer {
  const before = sketch.tlvs ?? []
  const header = binaryHeader({ ...sketch, tlvs: [...before, [0x03, Buffer.alloc(4)], ...behind] })
  const behindBytes = behind.reduce((sum, [, value]) => sum + 3 + value.length, 0)
  header.writeUInt32BE(slowCrc32c(header), header.length - behindBytes - 4)
  return header
}

/** CRC32c as its definition has it, bit by bit. */
function slowCrc32c(bytes: Buffer): number {
  let sum = 0xffffffff
  for (const byte of bytes) {
    for (let bit = 0; bit < 8; bit++) {
      const isOne = ((sum ^ (byte >> bit)) & 1) === 1
      sum = isOne ? (sum >>> 1) ^ 0x82f63b78 : sum >>> 1
    }
  }
  return (sum ^ 0xffffffff) >>> 0
}

export interface Refusal {
  readonly peer: string
  readonly reason: string
}

/** An HTTP server of node:http that gets the connections behind their PROXY headers, and what it has seen. */
export interface Behind {
  readonly front: ProxyProtocolServer
  readonly http: Server
  readonly port: number
  /** Of every connection that was accepted. */
  readonly headers: Map<Socket, ProxyHeader>
  readonly refusals: Refusal[]
  /** Requests that reached the HTTP server. */
  readonly targets: string[]
}

const ending: (() => void)[] = []

/** Ends whatever was started here. */
export function endAll(): void {
  for (const end of ending.splice(0)) end()
}

/** Ends something with the rest. */
export function endWithAll(end: () => void): void {
  ending.push(end)
}

/** The client's address, port and own port, as a request's connection announced them. */
export function announced(behind: Behind, socket: Socket): string {
  const { source, destination } = behind.headers.get(socket) ?? { source: null, destination: null }
  return source === null ? 'peer' : `${source.address} ${source.port} ${destination?.port}`
}

export interface Options extends Partial<Omit<ProxyProtocolSettings, 'onAccepted' | 'onRefused'>> {
  readonly http?: ServerOptions
  readonly listenOn?: { readonly host: string } | { readonly path: string }
}

/** Starts a server that tells every request whom it has for its client; or does what `answer` does. */
export async function behindProxyProtocol(options: Options = {}, answer?: RequestListener): Promise<Behind> {
  const {
    http: httpOptions = {},
    listenOn = { host: '127.0.0.1' },
    timeoutMs = 5_000,
    isTrusted = () => true,
  } = options
  const http = createServer(httpOptions, (request, response) => {
    behind.targets.push(request.url ?? '')
    if (answer === undefined) response.end(announced(behind, request.socket))
    else answer(request, response)
  })
  const headers = new Map<Socket, ProxyHeader>()
  const refusals: Refusal[] = []
  const front = new ProxyProtocolServer({
    timeoutMs,
    keepAliveMs: 60_000,
    isFull: () => false,
    isTrusted,
    onAccepted: (socket, header) => {
      headers.set(socket, header)
      http.emit('connection', socket)
      socket.resume()
    },
    onRefused: (peer, reason) => refusals.push({ peer, reason }),
  })
  // An HTTP server that does not listen itself keeps its time limits from this event on, and until it is closed.
  front.on('listening', () => http.emit('listening'))
  front.on('close', () => http.close())
  const sockets = new Set<Socket>()
  front.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  front.listen('path' in listenOn ? listenOn : { ...listenOn, port: 0 })
  await once(front, 'listening')
  endWithAll(() => {
    front.close()
    for (const socket of sockets) socket.destroy()
  })
  const address = front.address() as AddressInfo | string
  const behind: Behind = {
    front,
    http,
    port: typeof address === 'string' ? 0 : address.port,
    headers,
    refusals,
    targets: [],
  }
  return behind
}

/** A client's connection, and the server's end of it. */
export async function connectTo(behind: Behind): Promise<{ client: RawConnection; serverSide: Socket }> {
  const accepted = once(behind.front, 'connection')
  const client = await RawConnection.connect(behind.port)
  endWithAll(() => client.destroy())
  const [serverSide] = (await accepted) as [Socket]
  return { client, serverSide }
}

/** Waits, a turn of the event loop at a time, until it holds. */
export async function until(what: () => boolean): Promise<void> {
  while (!what()) await new Promise((resolve) => setImmediate(resolve))
}

export function get(path: string): string {
  return `GET ${path} HTTP/1.1\r\nhost: app.test\r\n\r\n`
}
