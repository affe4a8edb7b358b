import type { BlockList, Socket } from 'node:net'
import type { ClientTls } from '../../edge/client-tls.ts'
import { statusLine } from '../../http1/head-text.ts'
import { InboundConnection } from '../../http1/inbound-connection.ts'
import type { InboundHandler, InboundOptions } from '../../http1/inbound-handler.ts'
import type { MessageRefusal } from '../../http1/refusal.ts'
import type { RequestReader } from '../../http1/request-reader.ts'
import type { SocketInput } from '../../http1/socket-input.ts'
import type { InboundOptions2 } from '../../http2/inbound-options.ts'
import type { HttpsRedirect } from '../../model/https-redirect.ts'
import type { ErrorCode } from '../errors.ts'
import type { OwnAnswer } from '../own-answer.ts'
import type { ProxyHeader } from '../proxy-protocol/header.ts'
import { plainAddress } from '../proxy-protocol/header.ts'
import type { Client } from './client.ts'
import type { ClientPeer } from './client-peer.ts'
import type { ClientStream } from './client-stream.ts'
import { peerIdentity } from './peer-identity.ts'

/** What a connection has brought with it before its first request. */
export interface Arrival {
  /** Its PROXY header; null = none. */
  readonly header: ProxyHeader | null
  /** null = it is plain. */
  readonly tls: ClientTls | null
  /** Redirect of the listener that has accepted it. */
  readonly redirect: HttpsRedirect | null
}

/** A request in flight. */
export interface RequestUnderWay {
  start(): void
  /** Ends the request by force: with a 504 if nothing of a response has been sent. Returns false if it has ended. */
  cut(reason: ErrorCode): boolean
}

export interface ClientConnectionOptions {
  readonly inbound: InboundOptions
  readonly inbound2: InboundOptions2
  readonly trustedProxies: BlockList
  /** Peers at socket files are trusted as well. */
  readonly trustsSocketFiles: boolean
  /** Max number of requests on a connection; 0 = no limit. */
  readonly maxRequests: number
  /** Creates the handler of a request. */
  readonly create: (stream: ClientStream, client: Client) => RequestUnderWay
  /** Returns the response to a request that is malformed or too large, and records it. */
  readonly refuse: (
    refusal: MessageRefusal,
    seen: Pick<RequestReader, 'method' | 'target'>,
    client: Client,
  ) => OwnAnswer
  /** A connection of HTTP/2 was closed for this reason. */
  readonly onHttp2Closed: (reason: string) => void
}

/** A client's connection, with the properties that all its requests share. */
export class ClientConnection implements InboundHandler, Client, ClientPeer {
  readonly address: string
  readonly localPort: string
  readonly trusted: boolean
  readonly tls: ClientTls | null
  readonly redirect: HttpsRedirect | null
  private readonly header: ProxyHeader | null
  tunnelled = false
  /** Number of requests so far. */
  served = 0
  /** When the last request ended, or the connection was opened; monotonic ms. */
  idleSince = performance.now()
  private readonly options: ClientConnectionOptions
  private readonly inbound: InboundConnection
  private readonly whenClosed: (connection: ClientConnection) => void
  private underWay: RequestUnderWay | null = null

  /** `input`: reads the socket. `whenClosed`: called once it has closed. */
  constructor(
    socket: Socket,
    input: SocketInput,
    { header, tls, redirect }: Arrival,
    options: ClientConnectionOptions,
    whenClosed: (connection: ClientConnection) => void,
  ) {
    this.options = options
    this.whenClosed = whenClosed
    this.header = header
    const { address, localPort, trusted } = peerIdentity(socket, header, options)
    this.address = address
    this.localPort = localPort
    this.trusted = trusted
    this.tls = tls
    this.redirect = redirect
    this.inbound = new InboundConnection(socket, input, options.inbound, this)
  }

  get port(): number {
    return this.header?.source?.port ?? this.inbound.socket.remotePort ?? 0
  }

  get localAddress(): string {
    return this.header?.destination?.address ?? plainAddress(this.inbound.socket.localAddress ?? '')
  }

  /** Whether a request or a tunnel is in flight. */
  get isBusy(): boolean {
    return this.underWay !== null || this.tunnelled
  }

  onRequest(stream: ClientStream): void {
    if (++this.served === this.options.maxRequests) stream.closes = true
    this.underWay = this.options.create(stream, this)
    this.underWay.start()
  }

  onRefusal(refusal: MessageRefusal, seen: RequestReader): string {
    const { status, body, lines } = this.options.refuse(refusal, seen, this)
    const text = seen.method === 'HEAD' ? '' : String(body)
    return `${statusLine(status)}${lines}Connection: close\r\n\r\n${text}`
  }

  onClosed(): void {
    this.whenClosed(this)
  }

  ended(): void {
    this.underWay = null
    this.idleSince = performance.now()
  }

  /** Takes input that was read before the connection was made. */
  take(first: Buffer): void {
    this.inbound.onInput(first)
  }

  drain(): void {
    // Each response has `Connection: close` from now on.
  }

  /** Ends the request in flight because the proxy stops. Returns the number of requests that were cut. */
  cut(): number {
    return this.underWay?.cut('proxy_stopping') === true ? 1 : 0
  }

  /** Closes the connection, which must be idle. */
  close(): void {
    this.inbound.closeGently(0)
  }

  /** Closes the connection at once. */
  destroy(): void {
    this.inbound.socket.destroy()
  }
}
