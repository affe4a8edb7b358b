import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { isIP } from 'node:net'
import { fileURLToPath } from 'node:url'

const A = 1
const AAAA = 28
const SRV = 33
const SERVFAIL = 2
const NXDOMAIN = 3
const REFUSED = 5
const HEADER_BYTES = 12

/** An SRV record. */
export interface ServiceRecord {
  readonly target: string
  readonly port: number
  readonly priority?: number
  readonly weight?: number
}

/** How a name fails: with an answer that says so, or without any answer. */
export type Failure = 'servfail' | 'refused' | 'silent'

/** A DNS server on loopback that knows a few names, which can be changed at any time. */
export class DnsServer {
  /** Addresses by name, of both families; a name that is not there does not exist. */
  readonly records = new Map<string, readonly string[]>()
  readonly services = new Map<string, readonly ServiceRecord[]>()
  /** Names that fail. */
  readonly failures = new Map<string, Failure>()
  /** Types of records that no question is answered about. */
  readonly silentTypes = new Set<number>()
  /** TTL of all answers. */
  ttlSeconds = 1
  /** Questions for A records so far. */
  questions = 0
  private readonly socket: Socket

  private constructor(socket: Socket) {
    this.socket = socket
    socket.on('message', (query, peer) => {
      const answer = this.answer(query)
      if (answer !== null) socket.send(answer, peer.port, peer.address)
    })
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
    return { NODE_OPTIONS: `--import=${preload}`, TEST_DNS_SERVER: this.address }
  }

  /** Address and port. */
  get address(): string {
    return `127.0.0.1:${this.socket.address().port}`
  }

  close(): void {
    this.socket.close()
  }

  /** RFC 1035 §4.1: the question again, and an answer for each record; null = there is no answer. */
  private answer(query: Buffer): Buffer | null {
    const labels: string[] = []
    let at = HEADER_BYTES
    for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
      labels.push(query.toString('latin1', at + 1, at + 1 + length))
      at += 1 + length
    }
    const type = query.readUInt16BE(at + 1)
    const question = query.subarray(HEADER_BYTES, at + 5)
    if (type === A) this.questions++
    if (this.silentTypes.has(type)) return null
    const name = labels.join('.').toLowerCase()
    const failure = this.failures.get(name)
    if (failure === 'silent') return null
    const answers = failure === undefined ? this.answersTo(name, type) : []
    const exists = this.records.has(name) || this.services.has(name)
    const code = failure === 'servfail' ? SERVFAIL : failure === 'refused' ? REFUSED : exists ? 0 : NXDOMAIN
    const header = Buffer.alloc(HEADER_BYTES)
    query.copy(header, 0, 0, 2)
    header.writeUInt16BE(0x8180 | code, 2)
    header.writeUInt16BE(1, 4)
    header.writeUInt16BE(answers.length, 6)
    return Buffer.concat([header, question, ...answers])
  }

  private answersTo(name: string, type: number): Buffer[] {
    if (type === SRV) return (this.services.get(name) ?? []).map((each) => this.record(SRV, serviceData(each)))
    const family = type === A ? 4 : type === AAAA ? 6 : 0
    const addresses = (this.records.get(name) ?? []).filter((address) => isIP(address) === family)
    return addresses.map((address) => this.record(type, addressData(address)))
  }

  private record(type: number, data: Buffer): Buffer {
    const fixed = Buffer.alloc(12)
    fixed.writeUInt16BE(0xc000 | HEADER_BYTES, 0)
    fixed.writeUInt16BE(type, 2)
    fixed.writeUInt16BE(1, 4)
    fixed.writeUInt32BE(this.ttlSeconds, 6)
    fixed.writeUInt16BE(data.length, 10)
    return Buffer.concat([fixed, data])
  }
}

function addressData(address: string): Buffer {
  if (isIP(address) === 4) return Buffer.from(address.split('.').map(Number))
  // `::1` has one gap at most, which is all that tests need.
  const [left = '', right = ''] = address.split('::')
  const groups = (text: string): number[] =>
    text === '' ? [] : text.split(':').map((each) => Number.parseInt(each, 16))
  const [before, after] = [groups(left), groups(right)]
  const all = [...before, ...new Array<number>(8 - before.length - after.length).fill(0), ...after]
  const data = Buffer.alloc(16)
  for (const [index, group] of all.entries()) data.writeUInt16BE(group, index * 2)
  return data
}

/** RFC 2782. */
function serviceData({ target, port, priority = 1, weight = 1 }: ServiceRecord): Buffer {
  const fixed = Buffer.alloc(6)
  fixed.writeUInt16BE(priority, 0)
  fixed.writeUInt16BE(weight, 2)
  fixed.writeUInt16BE(port, 4)
  const labels = target === '.' ? [] : target.split('.')
  const name = labels.flatMap((label) => [Buffer.from([label.length]), Buffer.from(label)])
  return Buffer.concat([fixed, ...name, Buffer.from([0])])
}
