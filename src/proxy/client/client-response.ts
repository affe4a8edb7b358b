import { ServerResponse } from 'node:http'
import type { Exchange } from '../exchange.ts'
import type { ClientConnection } from './client-connection.ts'

/** Bodies up to this size that arrive whole are sent in one write with the header. */
const ONE_WRITE_BYTES = 16 * 1024
/** More interim responses (1xx) than this to one request no honest server sends. */
const MAX_INTERIM = 32
const UPGRADE_REQUIRED = 426

/** An answer as it goes to the client: its header with the first piece of its body, where that comes soon enough. */
export class ClientResponse extends ServerResponse {
  /** So that its events need no closure. */
  exchange: Exchange | null = null
  /** Body bytes so far. */
  bytes = 0
  /** Its header has gone out, or is about to with what is being written. */
  headSent = false
  /** The client holds its body back until it is told to send it (RFC 9110 §10.1.1). */
  awaitsContinue = false
  private fields: string[] = []
  /** -1 = not said. */
  private bodyLength = -1
  private interims = 0

  /** Takes the header of an answer, fields as name and value in turn; it is sent by whatever is called next. */
  begin(status: number, reason: string, fields: string[], bodyLength: number): void {
    this.statusCode = status
    this.statusMessage = reason
    this.fields = fields
    this.bodyLength = bodyLength
  }

  /** Whether a field section can follow the body of an answer with this status: only chunks have room for one. */
  takesTrailers(status: number): boolean {
    return this.useChunkedEncodingByDefault && this.req.method !== 'HEAD' && status !== 204 && status !== 304
  }

  /** Sends an interim response (1xx) where the client understands them; returns false when there are too many. */
  interim(status: number, fields: string[]): boolean {
    if (this.req.httpVersionMinor === 0) return true
    if (this.interims++ >= MAX_INTERIM) return false
    this.inTurn(() => this.writeInformation(status, fields))
    return true
  }

  /** Tells a client that holds its body back to send it. */
  letBodyCome(): void {
    if (!this.awaitsContinue) return
    this.awaitsContinue = false
    this.inTurn(() => this.writeContinue())
  }

  /** Behind pipelined requests that are still under way: when their answers are out, if it means anything then. */
  private inTurn(say: () => void): void {
    if (this.socket !== null) say()
    else
      this.once('socket', () => {
        if (!this.headSent) say()
      })
  }

  /** `closes`: the connection ends with this answer. Throws when the header cannot be written. */
  sendHead(closes: boolean): void {
    this.writeHeader(closes)
    // Not flushHeaders(), which writes UTF-8. Without a body the header waits for the end, which is there as well.
    this.write('', 'latin1')
  }

  /**
   * Sends a piece of the body. `ended`: it was all there is, and has gone out with its header; `full`: the client takes
   * no more for now, until `drain`.
   */
  relay(chunk: Buffer, closes: boolean): 'more' | 'full' | 'ended' {
    this.bytes += chunk.length
    if (!this.headSent) {
      this.writeHeader(closes)
      if (chunk.length === this.bodyLength && chunk.length <= ONE_WRITE_BYTES) {
        this.end(chunk.toString('latin1'), 'latin1')
        return 'ended'
      }
    }
    return this.write(chunk) ? 'more' : 'full'
  }

  /** Ends the answer; `trailers`: what follows the body, name and value in pairs. */
  complete(trailers: readonly [string, string][], closes: boolean): void {
    if (!this.headSent) this.writeHeader(closes)
    if (trailers.length > 0) this.addTrailers(trailers)
    this.end()
  }

  /** The whole of a short answer at once. */
  answer(status: number, fields: string[], body: string, closes: boolean): void {
    this.begin(status, '', fields, body.length)
    this.bytes = body.length
    this.headSent = true
    this.mayClose(closes)
    this.writeHead(status, fields)
    this.end(this.req.method === 'HEAD' ? '' : body)
  }

  /** An answer that broke off breaks off to the client too, after what has come of it; it never ends cleanly. */
  breakOff(connection: ClientConnection, closes: boolean): void {
    try {
      if (!this.headSent) this.sendHead(closes)
    } catch {
      // The header cannot be written at all: breaking off says enough.
    }
    const framed = this.chunkedEncoding || this.bodyLength >= 0
    if (this.socket !== null) connection.breakOff(framed)
    // Behind a pipelined request that is still under way: its turn comes, and with it what was written so far.
    else this.once('socket', () => process.nextTick(() => connection.breakOff(framed)))
  }

  private writeHeader(closes: boolean): void {
    this.headSent = true
    this.mayClose(closes)
    if (this.statusCode === UPGRADE_REQUIRED && this.fields.includes('upgrade')) {
      // Upgrade concerns one hop only, and has to be named as such (RFC 9110 §7.8).
      this.fields.push('connection', this.shouldKeepAlive ? 'keep-alive, upgrade' : 'close, upgrade')
    }
    try {
      this.writeHead(this.statusCode, this.statusMessage, this.fields)
    } catch {
      // A reason phrase with control characters goes: nobody needs it. Anything else throws again.
      this.writeHead(this.statusCode, '', this.fields)
    }
  }

  /** Nobody knows whether a body that was held back, and is not wanted any more, comes all the same. */
  private mayClose(closes: boolean): void {
    if (!closes && (!this.awaitsContinue || this.req.complete)) return
    this.shouldKeepAlive = false
    this.exchange?.closeGently()
  }
}
