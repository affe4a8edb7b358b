import type { Duplex } from 'node:stream'
import type { BodyReader } from '../../http1/body-reader.ts'
import type { Fields } from '../../http1/fields.ts'
import type { HttpVersion } from '../../http1/http-version.ts'
import type { BodyTaker, RequestOwner, ResponseBody } from '../../http1/inbound-request.ts'

/** One request of a client, and the functions to respond to it, whatever the protocol below. */
export interface ClientStream {
  readonly method: string
  readonly target: string
  readonly version: HttpVersion
  readonly fields: Fields
  readonly body: Pick<BodyReader, 'framing' | 'bytes'>
  /** Whether the whole request was received. */
  readonly isComplete: boolean
  /** Whether a body may be sent to the client in chunks, as the server has sent it. */
  readonly takesChunks: boolean
  /** Whether the request must become a WebSocket: any other success means nothing to the client. */
  readonly mustSwitch: boolean
  /** Is told of the client. */
  owner: RequestOwner
  /** Whether the connection closes after the response. */
  closes: boolean

  /** Sends the body to `taker`, including what has arrived so far. */
  takeBody(taker: BodyTaker): void
  pauseBody(): void
  resumeBody(): void
  /** Sends an interim response. */
  interim(status: number, lines: string): void
  /**
   * Sets the head of the response; it is sent with the first piece of the body, or by `flush`. `reason`: null = the
   * standard phrase. `lines`: field lines, without those of the connection and of the framing other than
   * Content-Length. `option`: an option that Connection names.
   */
  respond(status: number, reason: string | null, lines: string, body: ResponseBody, option?: string): void
  flush(): void
  /** Sends a piece of the body. Returns false if the caller must wait for `onClientReady`. */
  write(piece: Buffer): boolean
  /** Completes the response. `trailers`: field lines. */
  end(trailers?: string): void
  /**
   * Breaks the response off, so that the client does not take it for complete. `reset`: the HTTP/2 error code of the server;
   * absent = it has sent none.
   */
  breakOff(reset?: number): void
  /** Closes the connection at once; on HTTP/2 the stream. */
  destroy(): void
  /** Answers with a switch of protocols. `early`: the input after the request. */
  switchProtocols(lines: string): { readonly socket: Duplex; readonly early: readonly Buffer[] }
}
