import type { ServerResponse } from 'node:http'
import type { BlockList, Socket } from 'node:net'
import { covers } from '../../model/networks.ts'
import type { ErrorCode } from '../errors.ts'
import type { ProxyHeader } from '../proxy-protocol/header.ts'
import { plainAddress } from '../proxy-protocol/header.ts'
import type { Refusal } from './guard.ts'

/** A request in flight, which its connection notifies. */
export interface RequestUnderWay {
  /** The whole request has arrived, so that an error on the connection comes after it. */
  readonly isComplete: boolean
  clientLeft(): void
  /** The client can take more of the response. */
  clientDrained(): void
  /** Refuses the body, because it is malformed or over a limit. */
  refuseBody(refusal: Refusal): void
  /** Ends the request by force: with a 504 if nothing of a response has been sent. */
  cut(reason: ErrorCode): void
}

/** Time for a refused client to read the response, while its further input is dropped. */
const LINGER_MS = 1_000

/** A client's connection, with the properties that all its requests share. */
export class ClientConnection {
  readonly socket: Socket
  /** Address of the peer, IPv4 in its own notation; empty for a peer at a socket file. */
  readonly address: string
  /** Empty for a socket file. */
  readonly localPort: string
  /** The peer is one of `trustedProxies`, so that its X-Forwarded-* fields are trusted. */
  readonly trusted: boolean
  /** Requests in flight: one, unless the client pipelines. */
  private readonly requests: RequestUnderWay[] = []
  /** The response to the latest request; anything else waits for it. */
  private latest: ServerResponse | null = null
  /** The connection carries a tunnel, which ends on its own. */
  tunnelled = false
  /** No further request is accepted: the connection closes with the last response. */
  refused = false
  served = 0
  /** When the last request ended, or the connection was opened; monotonic ms. */
  idleSince = performance.now()

  /**
   * `header`: the PROXY header of the connection; null = none. `trustsSocketFiles`: peers at socket files are
   * trusted as well.
   */
  constructor(socket: Socket, header: ProxyHeader | null, trustedProxies: BlockList, trustsSocketFiles: boolean) {
    this.socket = socket
    this.address = header?.source?.address ?? plainAddress(socket.remoteAddress ?? '')
    this.localPort = String(header?.destination?.port ?? socket.localPort ?? '')
    this.trusted = this.address === '' ? trustsSocketFiles : covers(trustedProxies, this.address)
  }

  get underWay(): number {
    return this.requests.length
  }

  /** Counts a request; returns how many there have been. */
  countRequest(): number {
    return ++this.served
  }

  /** `response`: null for an upgrade, which writes its answer itself. */
  begin(request: RequestUnderWay, response: ServerResponse | null): void {
    this.requests.push(request)
    this.latest = response
  }

  end(request: RequestUnderWay): void {
    const at = this.requests.indexOf(request)
    if (at !== -1) this.requests.splice(at, 1)
    this.idleSince = performance.now()
  }

  /**
   * Ends the connection in the middle of a response. `framed`: the framing tells the client that more was to come;
   * without it, only a reset does. A Unix socket cannot be reset.
   */
  breakOff(framed: boolean): void {
    if (framed || this.socket.localAddress === undefined) {
      // Without a reset: earlier responses may not have been delivered yet.
      this.refused = true
      this.endWith('')
    } else this.socket.resetAndDestroy()
  }

  /** Forwards `drain`; after an upgrade node:http no longer does. */
  drained(): void {
    for (const request of this.requests) request.clientDrained()
  }

  /** Calls `then` once all requests so far have their whole response. */
  afterAnswers(then: () => void): void {
    if (this.latest === null || this.latest.writableFinished) then()
    else this.latest.once('finish', then)
  }

  /**
   * Refuses input that the parser rejected. A request in flight that it belongs to answers it; otherwise `answer`
   * returns the whole response when it is its turn. Then the connection closes, and further input is dropped.
   */
  refuse(refusal: Refusal, answer: () => string): void {
    if (this.refused) return
    this.refused = true
    const last = this.requests.at(-1)
    if (last !== undefined && !last.isComplete) {
      last.refuseBody(refusal)
      this.linger()
    } else this.afterAnswers(() => this.endWith(answer()))
  }

  /** Accepts no more input; closes the connection once the requests so far are answered. */
  endInTurn(): void {
    if (this.refused) return
    this.refused = true
    this.afterAnswers(() => this.endWith(''))
  }

  /**
   * Closes the connection after the response that is being sent, although the client may send more: closing with unread
   * bytes would reset the connection and could lose the response.
   */
  closeGently(): void {
    this.refused = true
    this.socket.destroySoon = () => this.endWith('')
  }

  private endWith(text: string): void {
    this.socket.end(text)
    this.linger()
  }

  /** Drops further input for a while. */
  private linger(): void {
    this.socket.resume()
    const timer = setTimeout(() => this.socket.destroy(), LINGER_MS).unref()
    this.socket.once('close', () => clearTimeout(timer))
  }

  /** Ends all requests in flight because the proxy stops. Returns their number. */
  cut(): number {
    const requests = [...this.requests]
    for (const request of requests) request.cut('proxy_stopping')
    return requests.length
  }

  /** Notifies the requests in flight that the connection has closed. */
  closed(): void {
    for (const request of [...this.requests]) request.clientLeft()
  }
}
