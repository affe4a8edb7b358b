import { ChunkedReader } from '../../src/http1/chunked-reader.ts'
import { persists } from '../../src/http1/connection-options.ts'
import { FieldNames } from '../../src/http1/field-names.ts'
import type { Fields } from '../../src/http1/fields.ts'
import { type BodyFraming, isRefusal, requestFraming, responseFraming } from '../../src/http1/framing.ts'
import type { HeadReader } from '../../src/http1/head-reader.ts'
import type { MessageRefusal } from '../../src/http1/refusal.ts'
import { RequestReader } from '../../src/http1/request-reader.ts'
import { ResponseReader } from '../../src/http1/response-reader.ts'

export const NAMES = new FieldNames()
export const LIMITS = { startLineBytes: 8_192, fieldBytes: 16_384 }

export interface Message {
  /** Method and target, or status and reason. */
  readonly start: string
  readonly minor: number
  readonly fields: readonly string[]
  /** One character a byte. */
  readonly body: string
  readonly trailers: readonly string[]
}

export interface Reading {
  readonly messages: readonly Message[]
  /** What ended the reading; null = what has come makes sense. */
  readonly refusal: MessageRefusal | null
  /** The last message is not whole. */
  readonly isCut: boolean
  /** The end of the connection belongs to the last message. */
  readonly untilClose: boolean
  /** Bytes behind the last message that the connection carries. */
  readonly rest: number
}

/** Reads one piece after another, as a connection would. */
abstract class MessageReading {
  readonly messages: Message[] = []
  refusal: MessageRefusal | null = null
  /** The connection ends with the last message. */
  isOver = false
  protected abstract readonly reader: HeadReader
  private rest = 0
  private framing: BodyFraming | null = null
  private left = 0
  private chunks: ChunkedReader | null = null
  private body: Buffer[] = []
  private raw = ''

  protected abstract frame(fields: Fields): BodyFraming | MessageRefusal
  protected abstract head(): Pick<Message, 'start' | 'minor' | 'fields'>
  protected abstract goesOn(): boolean

  take(bytes: Buffer): void {
    let at = 0
    while (at < bytes.length && this.refusal === null && !this.isOver) at = this.step(bytes, at)
    if (this.isOver) this.rest += bytes.length - at
  }

  result(): Reading {
    const { framing } = this
    const untilClose = framing?.kind === 'close'
    if (untilClose) this.endMessage([])
    const isCut = this.refusal === null && !untilClose && (framing !== null || this.reader.hasBegun)
    return { messages: this.messages, refusal: this.refusal, isCut, untilClose, rest: this.rest }
  }

  private step(bytes: Buffer, start: number): number {
    if (this.framing === null) {
      const next = start + this.reader.read(bytes, start)
      this.refusal = this.reader.refusal
      if (this.reader.isDone) this.beginBody()
      return next
    }
    switch (this.framing.kind) {
      case 'length': {
        const stop = Math.min(bytes.length, start + this.left)
        this.body.push(bytes.subarray(start, stop))
        this.left -= stop - start
        if (this.left === 0) this.endMessage([])
        return stop
      }
      case 'close':
        this.body.push(bytes.subarray(start))
        return bytes.length
      default:
        return this.readChunks(this.chunks as ChunkedReader, bytes, start)
    }
  }

  private readChunks(chunks: ChunkedReader, bytes: Buffer, start: number): number {
    const next = chunks.read(bytes, start)
    for (let i = 0; i < chunks.runs.length; i += 2) this.body.push(bytes.subarray(chunks.runs[i], chunks.runs[i + 1]))
    for (let i = 0; i < chunks.lines.length; i++) {
      this.raw += chunks.lines[i] + bytes.toString('latin1', chunks.ranges[2 * i], chunks.ranges[2 * i + 1])
    }
    this.refusal = chunks.refusal
    if (!chunks.isDone) return next
    this.expectSameFromRaw()
    this.endMessage(chunks.trailers.pairs())
    return next
  }

  /** What is passed on with its framing is the same body. */
  private expectSameFromRaw(): void {
    const again = new ChunkedReader(NAMES)
    const bytes = Buffer.from(`${this.raw}0\r\n\r\n`, 'latin1')
    again.read(bytes)
    const body: Buffer[] = []
    for (let i = 0; i < again.runs.length; i += 2) body.push(bytes.subarray(again.runs[i], again.runs[i + 1]))
    if (!again.isDone || !Buffer.concat(body).equals(Buffer.concat(this.body))) {
      throw new Error(`passed on as ${JSON.stringify(this.raw)}, which is another body`)
    }
  }

  private beginBody(): void {
    const framing = this.frame(this.reader.fields)
    if (isRefusal(framing)) {
      this.refusal = framing
      return
    }
    this.framing = framing
    this.body = []
    this.raw = ''
    this.left = framing.length
    if (framing.kind === 'chunked') this.chunks = new ChunkedReader(NAMES)
    if (framing.kind === 'none') this.endMessage([])
  }

  private endMessage(trailers: string[]): void {
    this.messages.push({ ...this.head(), body: Buffer.concat(this.body).toString('latin1'), trailers })
    this.framing = null
    if (!this.goesOn()) this.isOver = true
    this.reader.begin()
  }
}

class RequestReading extends MessageReading {
  protected override readonly reader = new RequestReader(NAMES, LIMITS)

  protected override frame(fields: Fields): BodyFraming | MessageRefusal {
    return requestFraming(fields, this.reader.minor)
  }

  protected override head(): Pick<Message, 'start' | 'minor' | 'fields'> {
    const { method, target, minor, fields } = this.reader
    return { start: `${method} ${target}`, minor, fields: fields.pairs() }
  }

  protected override goesOn(): boolean {
    return persists(this.reader.fields, this.reader.minor)
  }
}

class ResponseReading extends MessageReading {
  protected override readonly reader = new ResponseReader(NAMES, LIMITS)
  private readonly toHead: boolean

  constructor(toHead: boolean) {
    super()
    this.toHead = toHead
  }

  protected override frame(fields: Fields): BodyFraming | MessageRefusal {
    const { status, minor } = this.reader
    return responseFraming(fields, status, minor, this.toHead)
  }

  protected override head(): Pick<Message, 'start' | 'minor' | 'fields'> {
    const { status, reason, minor, fields } = this.reader
    return { start: `${status} ${reason}`, minor, fields: fields.pairs() }
  }

  protected override goesOn(): boolean {
    return this.reader.status < 200
  }
}

export function readRequests(pieces: readonly Buffer[]): Reading {
  return readAll(new RequestReading(), pieces)
}

/** Interim responses and the one behind them. */
export function readResponses(pieces: readonly Buffer[], toHead = false): Reading {
  return readAll(new ResponseReading(toHead), pieces)
}

function readAll(reading: MessageReading, pieces: readonly Buffer[]): Reading {
  for (const piece of pieces) reading.take(piece)
  return reading.result()
}
