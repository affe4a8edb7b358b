import type { ServerResponse } from 'node:http'
import type { BlockList, Socket } from 'node:net'
import { covers } from '../../model/networks.ts'
import type { ErrorCode } from '../errors.ts'
import type { ProxyHeader } from '../proxy-protocol/header.ts'
import { plainAddress } from '../proxy-protocol/header.ts'
import type { Refusal } from './guard.ts'

/** A request that wants to know when its client has gone. */
export interface RequestUnderWay {
  /** All of it has come: what is wrong on the connection now is behind it. */
  readonly isComplete: boolean
  clientLeft(): void
  /** The client takes more of the answer. */
  clientDrained(): void
  /** What the client sends behind the header makes no sense, or is not taken. */
  refuseBody(refusal: Refusal): void
  /** Ends it by force: with a 504 where nothing of an answer has been sent. */
  cut(reason: ErrorCode): void
}

/** How long a client that was refused may take to read why, while what it still sends is dropped. */
const LINGER_MS = 1_000

/** What is known of a client's connection; worked out once, used by every request on it. */
export class ClientConnection {
  readonly socket: Socket
  /** Address of the peer, IPv4 in its own notation; empty for a peer at a socket file. */
  readonly address: string
  /** Empty for a socket file. */
  readonly localPort: string
  /** The peer is one of `trustedProxies`: what it says of the client is believed. */
  readonly trusted: boolean
  /** Requests under way: one, unless the client pipelines. */
  private readonly requests: RequestUnderWay[] = []
  /** The answer to the latest request: what is said out of turn has to wait for it. */
  private latest: ServerResponse | null = null
  /** It carries a tunnel, which ends by itself. */
  tunnelled = false
  /** No further request is taken from it: it closes with the answer to the last one. */
  refused = false
  served = 0
  /** When the last request ended, or the connection began; monotonic ms. */
  idleSince = performance.now()

  /**
   * `header`: what a PROXY header said of the connection; null = none. `trustsSocketFiles`: peers at socket files are
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
   * Ends the connection in the middle of a response. `framed`: the client knows from what it has got that there is more
   * to come; if not, only a reset tells it from the end. A Unix socket cannot be reset.
   */
  breakOff(framed: boolean): void {
    if (framed || this.socket.localAddress === undefined) {
      // Gently: answers before this one may still be on their way.
      this.refused = true
      this.endWith('')
    } else this.socket.resetAndDestroy()
  }

  /** The client takes more: for when node:http has stopped to look. */
  drained(): void {
    for (const request of this.requests) request.clientDrained()
  }

  /** Calls `then` when every request so far has its whole answer. */
  afterAnswers(then: () => void): void {
    if (this.latest === null || this.latest.writableFinished) then()
    else this.latest.once('finish', then)
  }

  /**
   * Refuses what the parser could not make sense of: where it belongs to a request under way, that one answers; otherwise
   * `answer` gives the whole response, when it is its turn. The connection closes, and more of it is dropped.
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

  /** Takes no more from it; ends it when what has come is answered. */
  endInTurn(): void {
    if (this.refused) return
    this.refused = true
    this.afterAnswers(() => this.endWith(''))
  }

  /**
   * The connection ends with the answer that is being sent, though the client may have sent more, or be sending: closed
   * with bytes unread it would be reset, and the answer lost on its way.
   */
  closeGently(): void {
    this.refused = true
    this.socket.destroySoon = () => this.endWith('')
  }

  private endWith(text: string): void {
    this.socket.end(text)
    this.linger()
  }

  /** What still comes is dropped for a while. */
  private linger(): void {
    this.socket.resume()
    const timer = setTimeout(() => this.socket.destroy(), LINGER_MS).unref()
    this.socket.once('close', () => clearTimeout(timer))
  }

  /** Ends all requests under way, because the proxy stops; returns how many there were. */
  cut(): number {
    const requests = [...this.requests]
    for (const request of requests) request.cut('proxy_stopping')
    return requests.length
  }

  /** The connection has closed: whoever has not been answered by now has left. */
  closed(): void {
    for (const request of [...this.requests]) request.clientLeft()
  }
}
