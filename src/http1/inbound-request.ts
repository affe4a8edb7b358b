import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { BodyReader, BodySink } from './body-reader.ts'
import type { Fields } from './fields.ts'
import { statusLine } from './head-text.ts'
import { type HttpVersion, http1Version } from './http-version.ts'
import type { MessageRefusal } from './refusal.ts'

/** Receives the body of a request. */
export interface BodyTaker {
  /** A piece of the body; a chunked body keeps its framing, except for the last chunk. */
  onRequestBody(piece: Buffer): void
  /** The body is complete; `trailers`: the fields after it. */
  onRequestEnd(trailers: Fields): void
  /** The body breaks off: the client has left (null), or sent something malformed or nothing for too long. */
  onRequestBroken(refusal: MessageRefusal | null): void
}

/** Is told of the client while its request is in flight. */
export interface RequestOwner {
  /** The connection has closed before the response was complete. */
  onClientGone(): void
  /** The client has ended its side of the connection: it sends nothing more, and may still read. */
  onClientEnded(): void
  /** The client can take more of the response. */
  onClientReady(): void
}

/** The connection of a request. */
export interface RequestConnection {
  readonly socket: Socket
  /** Field line that tells the client the time between two requests; empty = none. */
  readonly keepAliveLine: string
  /** See `SocketWriter.write`. */
  write(before: string, piece: Buffer | null, after?: string): boolean
  /** The body of the request is not taken for now. */
  bodyPaused(): void
  /** The body of the request is taken, again or for the first time. */
  bodyAwaited(): void
  /** The response is complete. */
  answered(request: InboundRequest): void
  /** Ends the connection after pending writes. */
  closeGently(): void
  /** Releases the socket. Returns the input after the request. */
  detach(): readonly Buffer[]
}

/**
 * Body of a response: `none` follows; its length is in Content-Length; its pieces are `chunked`; or they are not, and
 * its length is `unknown`.
 */
export type ResponseBody = 'none' | 'length' | 'chunked' | 'unknown'

const DROP: BodyTaker = {
  onRequestBody: () => undefined,
  onRequestEnd: () => undefined,
  onRequestBroken: () => undefined,
}
/** The owner of a request that nobody handles yet. */
export const NO_OWNER: RequestOwner = {
  onClientGone: () => undefined,
  onClientEnded: () => undefined,
  onClientReady: () => undefined,
}
const LAST_CHUNK = '0\r\n'
const LINE_END = '\r\n'

/** One request of a client, with the functions to respond to it. */
export class InboundRequest implements BodySink {
  readonly method: string
  readonly target: string
  /** Minor version: 0 or 1. */
  readonly minor: number
  readonly fields: Fields
  readonly body: BodyReader
  owner: RequestOwner = NO_OWNER
  /** Whether the connection closes after the response. */
  closes: boolean
  /** Whether the head of the response was written. */
  headIsSent = false
  /** Whether the response is complete; the body of the request may still be arriving. */
  isAnswered = false
  /** Whether the body waits for `resumeBody`. */
  bodyIsPaused = false
  private taker: BodyTaker | null = null
  /** Reason for which the body broke off before there was a taker. */
  private brokenFor: MessageRefusal | null = null
  private readonly connection: RequestConnection
  private head = ''
  private response: ResponseBody = 'none'

  constructor(
    connection: RequestConnection,
    { method, target, minor, fields }: Pick<InboundRequest, 'method' | 'target' | 'minor' | 'fields'>,
    body: BodyReader,
    closes: boolean,
  ) {
    this.connection = connection
    this.method = method
    this.target = target
    this.minor = minor
    this.fields = fields
    this.body = body
    this.closes = closes
  }

  get version(): HttpVersion {
    return http1Version(this.minor)
  }

  /** A client of HTTP/1.1 may get another answer instead of a switch of protocols. */
  get mustSwitch(): boolean {
    return false
  }

  /** Whether the whole request was received. */
  get isComplete(): boolean {
    return this.body.isDone
  }

  /** Whether the client understands chunked bodies, which HTTP/1.0 does not have. */
  get takesChunks(): boolean {
    return this.minor > 0
  }

  /** Whether the body may be read now: it has a taker, which is ready. */
  get takesBody(): boolean {
    return !this.body.isDone && this.taker !== null && !this.bodyIsPaused
  }

  /** Sends the body to `taker`, including what has arrived so far. */
  takeBody(taker: BodyTaker): void {
    this.taker = taker
    if (this.brokenFor !== null) taker.onRequestBroken(this.brokenFor)
    else if (this.body.isDone) taker.onRequestEnd(this.body.trailers)
    else this.connection.bodyAwaited()
  }

  pauseBody(): void {
    if (this.body.isDone) return
    this.bodyIsPaused = true
    this.connection.bodyPaused()
  }

  resumeBody(): void {
    if (!this.bodyIsPaused) return
    this.bodyIsPaused = false
    this.connection.bodyAwaited()
  }

  /** Discards the rest of the body: the next request follows it. */
  discardBody(): void {
    this.taker = DROP
    this.bodyIsPaused = false
    this.connection.bodyAwaited()
  }

  onBody(piece: Buffer): void {
    this.taker?.onRequestBody(piece)
  }

  bodyEnded(): void {
    this.taker?.onRequestEnd(this.body.trailers)
  }

  /** The rest of the body cannot be read. `refusal`: null = the client has left. */
  breakBody(refusal: MessageRefusal | null): void {
    this.closes = true
    this.brokenFor = refusal
    this.taker?.onRequestBroken(refusal)
  }

  /** Sends an interim response. `lines`: its field lines. */
  interim(status: number, lines: string): void {
    this.connection.write(`${statusLine(status)}${lines}${LINE_END}`, null)
  }

  /**
   * Sets the head of the response; it is sent with the first piece of the body, or by `flush`. `reason`: null = the
   * standard phrase. `lines`: its field lines, without those of the connection and of the framing other than
   * Content-Length. `option`: an option that Connection names.
   */
  respond(status: number, reason: string | null, lines: string, body: ResponseBody, option = ''): void {
    this.response = body
    let framing = ''
    if (body === 'chunked' || this.chunksHere) framing = 'Transfer-Encoding: chunked\r\n'
    else if (body === 'unknown') this.closes = true
    const connection = connectionLines(this.closes, option, this.connection.keepAliveLine)
    this.head = `${statusLine(status, reason)}${lines}${framing}${connection}${LINE_END}`
  }

  /** Sends the head if it was not sent yet. */
  flush(): void {
    if (!this.headIsSent) this.writeText('')
  }

  /** Sends a piece of the body. Returns false if the caller must wait for `onClientReady`. */
  write(piece: Buffer): boolean {
    if (piece.length === 0) return true
    if (!this.chunksHere) return this.writeText('', piece)
    return this.writeText(`${piece.length.toString(16)}\r\n`, piece, LINE_END)
  }

  /** Completes the response. `trailers`: field lines after a body in chunks. */
  end(trailers = ''): void {
    const isChunked = this.response === 'chunked' || this.chunksHere
    const tail = isChunked ? `${LAST_CHUNK}${trailers}${LINE_END}` : ''
    if (!this.headIsSent || tail !== '') this.writeText(tail)
    if (this.isAnswered) return
    this.isAnswered = true
    this.connection.answered(this)
  }

  /** Breaks the response off, so that the client does not take it for complete. */
  breakOff(): void {
    this.flush()
    this.isAnswered = true
    const isFramed = this.response !== 'unknown' || this.takesChunks
    const { socket } = this.connection
    if (isFramed) this.connection.closeGently()
    // Without an alert that closes it, a client takes the end of a TLS connection for a break.
    else if ('encrypted' in socket) socket.destroy()
    // A Unix socket cannot be reset.
    else if (socket.localAddress === undefined) this.connection.closeGently()
    else socket.resetAndDestroy()
  }

  /** Closes the connection at once. */
  destroy(): void {
    this.connection.socket.destroy()
  }

  /** Answers with a switch of protocols, and releases the connection. `early`: the input after the request. */
  switchProtocols(lines: string): { readonly socket: Duplex; readonly early: readonly Buffer[] } {
    this.headIsSent = true
    this.connection.write(`${statusLine(101)}${lines}${LINE_END}`, null)
    return { socket: this.connection.socket, early: this.connection.detach() }
  }

  /** Whether the body is put into chunks here. */
  private get chunksHere(): boolean {
    return this.response === 'unknown' && this.takesChunks
  }

  private writeText(text: string, piece: Buffer | null = null, after = ''): boolean {
    if (this.headIsSent) return this.connection.write(text, piece, after)
    this.headIsSent = true
    return this.connection.write(this.head + text, piece, after)
  }
}

function connectionLines(closes: boolean, option: string, keepAliveLine: string): string {
  const also = option === '' ? '' : `, ${option}`
  return closes ? `Connection: close${also}\r\n` : `Connection: keep-alive${also}\r\n${keepAliveLine}`
}
