import { ServerResponse } from 'node:http'
import type { Exchange } from '../exchange.ts'
import type { ClientConnection } from './client-connection.ts'

/** Bodies up to this size that arrive whole are sent in one write with the header. */
const ONE_WRITE_BYTES = 16 * 1024
/** Max interim responses (1xx) to one request. */
const MAX_INTERIM = 32
const UPGRADE_REQUIRED = 426

/** A response to a client. The head is sent together with the first piece of the body if that arrives soon enough. */
export class ClientResponse extends ServerResponse {
  /** Set so that event handlers need no closure. */
  exchange: Exchange | null = null
  /** Body bytes sent so far. */
  bytes = 0
  /** The head has been sent, or is being written. */
  headSent = false
  /** The client waits for 100 Continue before it sends the body (RFC 9110 §10.1.1). */
  awaitsContinue = false
  private fields: string[] = []
  /** -1 = unknown. */
  private bodyLength = -1
  private interims = 0

  /** Sets the head of the response, with fields as name and value in turn. The next call that writes sends it. */
  begin(status: number, reason: string, fields: string[], bodyLength: number): void {
    this.statusCode = status
    this.statusMessage = reason
    this.fields = fields
    this.bodyLength = bodyLength
  }

  /** Whether trailers can follow the body of a response with this status: only chunked bodies can have them. */
  takesTrailers(status: number): boolean {
    return this.useChunkedEncodingByDefault && this.req.method !== 'HEAD' && status !== 204 && status !== 304
  }

  /** Sends an interim response (1xx) if the client understands them. Returns false if there are too many. */
  interim(status: number, fields: string[]): boolean {
    if (this.req.httpVersionMinor === 0) return true
    if (this.interims++ >= MAX_INTERIM) return false
    this.inTurn(() => this.writeInformation(status, fields))
    return true
  }

  /** Sends 100 Continue to a client that waits for it. */
  letBodyCome(): void {
    if (!this.awaitsContinue) return
    this.awaitsContinue = false
    this.inTurn(() => this.writeContinue())
  }

  /**
   * Delays `say` until the responses to earlier pipelined requests are sent; skips it if the head has been sent by
   * then.
   */
  private inTurn(say: () => void): void {
    if (this.socket !== null) say()
    else
      this.once('socket', () => {
        if (!this.headSent) say()
      })
  }

  /** `closes`: the connection ends with this response. Throws if the head cannot be written. */
  sendHead(closes: boolean): void {
    this.writeHeader(closes)
    // flushHeaders() would write UTF-8.
    this.write('', 'latin1')
  }

  /**
   * Sends a piece of the body. `ended`: it was the whole body, sent together with the head; `full`: wait for `drain`
   * before sending more.
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

  /** Ends the response. `trailers`: fields behind the body, as pairs of name and value. */
  complete(trailers: readonly [string, string][], closes: boolean): void {
    if (!this.headSent) this.writeHeader(closes)
    if (trailers.length > 0) this.addTrailers(trailers)
    this.end()
  }

  /** Sends a short response as a whole. */
  answer(status: number, fields: string[], body: string, closes: boolean): void {
    this.begin(status, '', fields, body.length)
    this.bytes = body.length
    this.headSent = true
    this.mayClose(closes)
    this.writeHead(status, fields)
    this.end(this.req.method === 'HEAD' ? '' : body)
  }

  /**
   * Breaks off the response after the part received so far, because the server broke it off: it must not end cleanly.
   */
  breakOff(connection: ClientConnection, closes: boolean): void {
    try {
      if (!this.headSent) this.sendHead(closes)
    } catch {
      // The head cannot be written; breaking off the connection is all that is left.
    }
    const framed = this.chunkedEncoding || this.bodyLength >= 0
    if (this.socket !== null) connection.breakOff(framed)
    // An earlier pipelined request is still in flight: break off once it is this response's turn.
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
      // Drop a reason phrase with control characters. Any other problem throws again.
      this.writeHead(this.statusCode, '', this.fields)
    }
  }

  /** Closes the connection also if the client may still send a body that it held back and that is no longer wanted. */
  private mayClose(closes: boolean): void {
    if (!closes && (!this.awaitsContinue || this.req.complete)) return
    this.shouldKeepAlive = false
    this.exchange?.closeGently()
  }
}
