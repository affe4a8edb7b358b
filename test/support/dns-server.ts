import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const A = 1
const NXDOMAIN = 3
const TTL_S = 1
const HEADER_BYTES = 12

/** A DNS server on loopback that knows a few names, which can be changed at any time. It has A records only. */
export class DnsServer {
  /** Addresses by name; a name that is not there does not exist. */
  readonly records = new Map<string, readonly string[]>()
  /** Questions for A records so far. */
  questions = 0
  private readonly socket: Socket

  private constructor(socket: Socket) {
    this.socket = socket
    socket.on('message', (query, peer) => socket.send(this.answer(query), peer.port, peer.address))
  }

  static async start(): Promise<DnsServer> {
    const socket = createSocket('udp4')
    socket.bind(0, '127.0.0.1')
    await once(socket, 'listening')
    return new DnsServer(socket)
  }

  /** Environment of a process that is to look up names here instead of asking the system. */
  get env(): Record<string, string> {
    const preload = fileURLToPath(new URL('dns-preload.ts', import.meta.url))
    return { NODE_OPTIONS: `--import=${preload}`, TEST_DNS_SERVER: `127.0.0.1:${this.socket.address().port}` }
  }

  close(): void {
    this.socket.close()
  }

  /** RFC 1035 §4.1: the question again, and an answer for each address. */
  private answer(query: Buffer): Buffer {
    const labels: string[] = []
    let at = HEADER_BYTES
    for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
      labels.push(query.toString('latin1', at + 1, at + 1 + length))
      at += 1 + length
    }
    const type = query.readUInt16BE(at + 1)
    const question = query.subarray(HEADER_BYTES, at + 5)
    const known = this.records.get(labels.join('.').toLowerCase())
    const addresses = type === A ? (known ?? []) : []
    if (type === A) this.questions++
    const header = Buffer.alloc(HEADER_BYTES)
    query.copy(header, 0, 0, 2)
    header.writeUInt16BE(0x8180 | (known === undefined ? NXDOMAIN : 0), 2)
    header.writeUInt16BE(1, 4)
    header.writeUInt16BE(addresses.length, 6)
    return Buffer.concat([header, question, ...addresses.map(record)])
  }
}

function record(address: string): Buffer {
  const fixed = Buffer.from([0xc0, HEADER_BYTES, 0, A, 0, 1, 0, 0, 0, TTL_S, 0, 4])
  return Buffer.concat([fixed, Buffer.from(address.split('.').map(Number))])
}
