import fc from 'fast-check'
import { SIMPLEST_FIRST, trailers } from './fields.ts'
import type { Field } from './wire.ts'

/** What a body would be taken for by somebody who does not know where it begins. */
type Likeness = 'noise' | 'request' | 'response' | 'chunks'

export interface BodySketch {
  readonly length: number
  readonly likeness: Likeness
  readonly chunks: ChunksSketch
}

/** How a body is cut into chunks, should it be. */
interface ChunksSketch {
  /** In turn, over and over. */
  readonly sizes: readonly number[]
  readonly extensions: readonly string[]
  readonly spelling: 'lower' | 'upper' | 'zeros'
  readonly trailers: readonly Field[]
}

/** More of them would be slow, and have longer extensions than are accepted. */
const MOST_CHUNKS = 150

const lengths = fc.oneof(
  SIMPLEST_FIRST,
  { weight: 2, arbitrary: fc.constantFrom(0, 1) },
  { weight: 6, arbitrary: fc.nat(300) },
  // Around the size up to which a response goes out in one write, and that of a read.
  { weight: 2, arbitrary: fc.constantFrom(16_383, 16_384, 16_385, 65_535, 65_536, 65_537) },
  { weight: 2, arbitrary: fc.nat(100_000) },
)

export const bodies: fc.Arbitrary<BodySketch> = fc.record({
  length: lengths,
  likeness: fc.constantFrom<Likeness[]>('noise', 'request', 'response', 'chunks'),
  chunks: fc.record({
    sizes: fc.array(fc.oneof(SIMPLEST_FIRST, fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1, max: 70_000 })), {
      minLength: 1,
      maxLength: 4,
    }),
    extensions: fc.array(fc.constantFrom('', '', ';a', ';a=b', ';a="b;\\"c"', `;${'x'.repeat(100)}=1`, ';a;b;c'), {
      minLength: 1,
      maxLength: 3,
    }),
    spelling: fc.constantFrom<ChunksSketch['spelling'][]>('lower', 'upper', 'zeros'),
    trailers,
  }),
})

/** The body of the message with this id. */
export function bodyText({ length, likeness }: BodySketch, id: string, host: string): string {
  const unit = UNITS[likeness](id, host)
  return unit.repeat(Math.ceil(length / unit.length)).slice(0, length)
}

/** The body in chunks, with the last one and its trailers. */
export function chunked(body: string, { sizes, extensions, spelling, trailers }: ChunksSketch): string {
  const least = Math.ceil(body.length / MOST_CHUNKS)
  const extension = (i: number) => extensions[i % extensions.length]
  const parts: string[] = []
  for (let at = 0; at < body.length; ) {
    const part = body.slice(at, at + Math.max(least, sizes[parts.length % sizes.length] ?? 1))
    parts.push(`${spelled(part.length, spelling)}${extension(parts.length)}\r\n${part}\r\n`)
    at += part.length
  }
  const lines = trailers.map(([name, value]) => `${name}: ${value}\r\n`)
  return `${parts.join('')}0${extension(parts.length)}\r\n${lines.join('')}\r\n`
}

/** Whether it has a trailer that may be taken for what frames the message, so that it may be refused. */
export function hasFramingTrailer({ chunks }: BodySketch): boolean {
  return chunks.trailers.some(([name]) => !name.startsWith('Zz'))
}

/** A request that nobody has sent: what a server sees of it came out of another message. */
export function smuggledRequest(id: string, host: string): string {
  return `GET /${id}-smuggled HTTP/1.1\r\nHost: ${host}\r\nX-Asked: ${id}-smuggled\r\n\r\n`
}

/** A response that no server meant to give. */
export function forgedResponse(id: string): string {
  return `HTTP/1.1 200 OK\r\nX-Answer-To: ${id}-forged\r\nContent-Length: 6\r\n\r\nforged`
}

const UNITS: Readonly<Record<Likeness, (id: string, host: string) => string>> = {
  noise: (id) => `${id}${NOISE}`,
  request: smuggledRequest,
  response: forgedResponse,
  chunks: (id, host) => `0\r\n\r\n${smuggledRequest(id, host)}5\r\nhello\r\n`,
}

/** Every byte value, in no simple order. */
const NOISE = String.fromCharCode(...Array.from({ length: 256 }, (_, i) => (i * 167 + 13) & 0xff))

function spelled(size: number, spelling: ChunksSketch['spelling']): string {
  const digits = size.toString(16)
  return spelling === 'lower' ? digits : spelling === 'upper' ? digits.toUpperCase() : `000${digits}`
}
