import fc from 'fast-check'
import { binaryHeader, checksummed } from '../proxy-protocol/support.ts'
import { bytesOf } from './draft.ts'
import { SIMPLEST_FIRST } from './fields.ts'
import { cut } from './pieces.ts'
import type { Field } from './wire.ts'

/** The PROXY header of a client's connection. */
export interface AnnouncementSketch {
  readonly family: 4 | 6
  /** Last bytes of the client's address. */
  readonly source: number
  readonly ports: readonly [source: number, destination: number]
  readonly form: 'text' | 'text, unknown' | 'binary' | 'binary, local' | 'binary, with a checksum'
  /** Types and lengths of the values after the addresses of a binary header. */
  readonly tlvs: readonly (readonly [type: number, length: number])[]
  /** Mistake in the header; null = it is valid. */
  readonly fault: 'missing' | 'cut' | 'a byte' | null
  /** Place of the mistake. */
  readonly at: number
  readonly cuts: readonly number[]
  /** Whether its end and the start of the first request are sent in one piece. */
  readonly joins: boolean
}

/** The header as it is sent, and its expected effect. */
export interface PlannedAnnouncement {
  readonly pieces: readonly Buffer[]
  readonly joins: boolean
  /** Address of the client that the server must see; null = that of the connection. */
  readonly client: string | null
  /** Port that the server must see, if the header names a client. */
  readonly port: number
  /** Whether the header is invalid: the proxy must take nothing after it for a request. */
  readonly isBad: boolean
}

export const announcements: fc.Arbitrary<AnnouncementSketch> = fc.record({
  family: fc.constantFrom<(4 | 6)[]>(4, 6),
  source: fc.integer({ min: 1, max: 254 }),
  ports: fc.tuple(fc.integer({ min: 1, max: 65_535 }), fc.integer({ min: 1, max: 65_535 })),
  form: fc.constantFrom<AnnouncementSketch['form'][]>(
    'text',
    'binary',
    'binary, with a checksum',
    'text, unknown',
    'binary, local',
  ),
  tlvs: fc.array(fc.tuple(fc.integer({ min: 0xe0, max: 0xef }), fc.nat(200)), { maxLength: 3 }),
  fault: fc.oneof(
    SIMPLEST_FIRST,
    { weight: 12, arbitrary: fc.constant(null) },
    { weight: 1, arbitrary: fc.constantFrom<AnnouncementSketch['fault'][]>('missing', 'cut', 'a byte') },
  ),
  at: fc.nat(1_000),
  cuts: fc.array(fc.nat(300), { maxLength: 2 }),
  joins: fc.boolean(),
})

/** A valid header in its simplest form. */
export const PLAIN_ANNOUNCEMENT: AnnouncementSketch = {
  family: 4,
  source: 1,
  ports: [1, 1],
  form: 'text',
  tlvs: [],
  fault: null,
  at: 0,
  cuts: [],
  joins: false,
}

export function planAnnouncement(sketch: AnnouncementSketch): PlannedAnnouncement {
  const { form, ports, fault, cuts, joins } = sketch
  const isTold = form === 'text' || form === 'binary' || form === 'binary, with a checksum'
  return {
    pieces: cut(sentOf(headerOf(sketch), sketch), cuts),
    joins,
    client: isTold ? addressOf(sketch) : null,
    port: ports[1],
    isBad: fault !== null,
  }
}

/** Returns the pieces that a client sends first: its header, if it has one, and the given pieces. */
export function announced(announcement: PlannedAnnouncement | null, pieces: readonly Buffer[]): readonly Buffer[] {
  if (announcement === null) return pieces
  const opening = announcement.pieces
  if (!announcement.joins || opening.length === 0 || pieces.length === 0) return [...opening, ...pieces]
  const joint = Buffer.concat([opening[opening.length - 1] as Buffer, pieces[0] as Buffer])
  return [...opening.slice(0, -1), joint, ...pieces.slice(1)]
}

/** Returns the fields about the client that the server must see. */
export function clientFields(announcement: PlannedAnnouncement | null): Field[] {
  if (announcement === null || announcement.client === null) return [['x-forwarded-for', '127.0.0.1']]
  return [
    ['x-forwarded-for', announcement.client],
    ['x-forwarded-port', String(announcement.port)],
  ]
}

function sentOf(header: Buffer, { fault, at }: AnnouncementSketch): Buffer {
  switch (fault) {
    case null:
      return header
    case 'missing':
      return Buffer.alloc(0)
    case 'cut':
      // Within the bytes with which both versions begin, so that the request cannot be taken for the rest.
      return header.subarray(0, at % 12)
    case 'a byte':
      return damaged(header, at)
  }
}

/** Returns the header with a change in the bytes with which both versions begin. */
function damaged(header: Buffer, at: number): Buffer {
  const bytes = Buffer.from(header)
  const place = at % 5
  bytes[place] = (bytes[place] as number) ^ 0x80
  return bytes
}

function headerOf(sketch: AnnouncementSketch): Buffer {
  const { family, form, ports } = sketch
  const destination = family === 4 ? '198.51.100.2' : '2001:db8::2'
  if (form === 'text') return bytesOf(`PROXY TCP${family} ${addressOf(sketch)} ${destination} ${ports.join(' ')}\r\n`)
  if (form === 'text, unknown') return bytesOf('PROXY UNKNOWN\r\n')
  const tlvs = sketch.tlvs.map(([type, length]) => [type, Buffer.alloc(length, 'PROXY GET \r\n\r\n')] as const)
  const addresses = addressesOf(sketch)
  const binary = { family: family === 4 ? 0x11 : 0x21, addresses, tlvs }
  if (form === 'binary, with a checksum') return checksummed(binary)
  return binaryHeader(form === 'binary, local' ? { ...binary, command: 0x20 } : binary)
}

function addressOf({ family, source }: AnnouncementSketch): string {
  return family === 4 ? `192.0.2.${source}` : `2001:db8::${source.toString(16)}`
}

/** Both addresses and both ports in the form of a binary header. */
function addressesOf({ family, source, ports }: AnnouncementSketch): Buffer {
  const begin = family === 4 ? 'c00002' : `20010db8${'00'.repeat(11)}`
  const end = family === 4 ? 'c6336402' : `20010db8${'00'.repeat(11)}02`
  const addresses = Buffer.from(`${begin}${source.toString(16).padStart(2, '0')}${end}`, 'hex')
  const numbers = Buffer.alloc(4)
  numbers.writeUInt16BE(ports[0], 0)
  numbers.writeUInt16BE(ports[1], 2)
  return Buffer.concat([addresses, numbers])
}
