import { ChunkedReader } from './chunked-reader.ts'
import type { FieldNames } from './field-names.ts'
import { Fields } from './fields.ts'
import type { BodyFraming } from './framing.ts'
import type { MessageRefusal } from './refusal.ts'

/** Number of chunks in one piece of input, from which small ones are joined. */
const MANY_CHUNKS = 16
/** Length of a chunk with its framing below which it is small. */
const SMALL_CHUNK_BYTES = 256
/** Pieces up to this length are copied byte by byte. */
const TINY_BYTES = 32
const NO_FIELDS = new Fields()

/** Receives a body, piece by piece. */
export interface BodySink {
  onBody(piece: Buffer): void
}

/**
 * Reads the body of one message. Pieces are the buffers that were read, or slices of them. The pieces of a chunked body
 * keep their framing, except for the last chunk, so that they can be forwarded unchanged; see `isBare`. Many small chunks
 * are joined.
 */
export class BodyReader {
  readonly framing: BodyFraming
  /** Whether the body has ended. A body that ends with the connection ends when `end` is called. */
  isDone: boolean
  /** Bytes of the body so far, without framing. */
  bytes = 0
  /** Whether the pieces of a chunked body are delivered without their framing. Set it before the first piece is read. */
  isBare = false
  /** Whether small chunks are joined; once begun, it stays so. */
  private joinsChunks = false
  private readonly chunks: ChunkedReader | null
  private left: number

  constructor(framing: BodyFraming, names: FieldNames) {
    this.framing = framing
    this.isDone = framing.kind === 'none'
    this.chunks = framing.kind === 'chunked' ? new ChunkedReader(names) : null
    this.left = framing.length
  }

  /** Reason to refuse the body; null = valid so far. */
  get refusal(): MessageRefusal | null {
    return this.chunks?.refusal ?? null
  }

  /** The fields after the body. */
  get trailers(): Fields {
    return this.chunks?.trailers ?? NO_FIELDS
  }

  /** Reads from `bytes[start]`, and passes the body to `sink`. Returns the index after the last byte of the body. */
  read(bytes: Buffer, start: number, sink: BodySink): number {
    if (this.chunks !== null) return this.readChunks(this.chunks, bytes, start, sink)
    const stop = this.framing.kind === 'close' ? bytes.length : Math.min(bytes.length, start + this.left)
    this.left -= stop - start
    this.bytes += stop - start
    if (this.framing.kind === 'length' && this.left === 0) this.isDone = true
    if (stop > start) sink.onBody(part(bytes, start, stop))
    return stop
  }

  /** Call when the connection has ended. Returns whether the body is complete. */
  end(): boolean {
    if (this.framing.kind === 'close') this.isDone = true
    return this.isDone
  }

  private readChunks(chunks: ChunkedReader, bytes: Buffer, start: number, sink: BodySink): number {
    const at = chunks.read(bytes, start)
    this.bytes = chunks.bodyBytes
    this.isDone = chunks.isDone
    if (this.isBare) {
      const { runs } = chunks
      for (let i = 0; i < runs.length; i += 2) sink.onBody(part(bytes, runs[i] as number, runs[i + 1] as number))
      return at
    }
    if (this.joinsChunks) this.join(chunks, bytes, start, sink)
    else if (areSmall(chunks.runs)) {
      this.joinsChunks = true
      // The chunk that has begun is passed on to its end.
      if (chunks.begunEnd > start) sink.onBody(part(bytes, start, chunks.begunEnd))
      this.join(chunks, bytes, chunks.begunEnd, sink)
    } else this.pass(chunks, bytes, sink)
    return at
  }

  /** Passes the chunks on as they came. */
  private pass({ ranges, lines }: ChunkedReader, bytes: Buffer, sink: BodySink): void {
    for (let i = 0; i < lines.length; i++) {
      const piece = part(bytes, ranges[2 * i] as number, ranges[2 * i + 1] as number)
      const line = lines[i] as string
      // The size line came in two pieces or had an extension, and was rebuilt: rare, so copying costs little.
      sink.onBody(line === '' ? piece : Buffer.concat([Buffer.from(line, 'latin1'), piece]))
    }
  }

  /** Passes the pieces of the body from `bytes[from]` on as one chunk. */
  private join({ runs }: ChunkedReader, bytes: Buffer, from: number, sink: BodySink): void {
    let length = 0
    for (let i = 0; i < runs.length; i += 2) {
      if ((runs[i] as number) >= from) length += (runs[i + 1] as number) - (runs[i] as number)
    }
    if (length === 0) return
    const line = `${length.toString(16)}\r\n`
    const joined = Buffer.allocUnsafe(line.length + length + 2)
    let at = joined.write(line, 'latin1')
    for (let i = 0; i < runs.length; i += 2) {
      const [start, end] = [runs[i] as number, runs[i + 1] as number]
      if (start >= from) at = copied(bytes, start, end, joined, at)
    }
    joined.write('\r\n', at, 'latin1')
    sink.onBody(joined)
  }
}

/** Copies `bytes[start, end)` to `target[at]`, without an object for each of many tiny pieces. Returns the index after. */
function copied(bytes: Buffer, start: number, end: number, target: Buffer, at: number): number {
  if (end - start > TINY_BYTES) return at + bytes.copy(target, at, start, end)
  let to = at
  for (let from = start; from < end; from++) target[to++] = bytes[from] as number
  return to
}

/** Whether a body comes in chunks that are so small that reading them costs the receiver more than their bytes. */
function areSmall(runs: readonly number[]): boolean {
  const count = runs.length / 2
  if (count < MANY_CHUNKS) return false
  return (runs[runs.length - 1] as number) - (runs[0] as number) < count * SMALL_CHUNK_BYTES
}

function part(bytes: Buffer, start: number, end: number): Buffer {
  return start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end)
}
