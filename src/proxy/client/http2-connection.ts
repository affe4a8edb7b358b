import type { Socket } from 'node:net'
import type { MessageRefusal } from '../../http1/refusal.ts'
import { InboundSession, type SessionHandler } from '../../http2/inbound-session.ts'
import type { InboundStream } from '../../http2/inbound-stream.ts'
import { plainAddress } from '../proxy-protocol/header.ts'
import type { Client } from './client.ts'
import type { Arrival, ClientConnectionOptions, RequestUnderWay } from './client-connection.ts'
import type { ClientPeer } from './client-peer.ts'
import { peerIdentity } from './peer-identity.ts'
import { respondWith } from './respond.ts'

/** A client's connection that speaks HTTP/2, with the properties that all its requests share. */
export class Http2Connection implements SessionHandler, ClientPeer {
  readonly identity: Pick<Client, 'address' | 'localPort' | 'trusted' | 'tls' | 'redirect'>
  served = 0
  idleSince = performance.now()
  private readonly options: ClientConnectionOptions
  private readonly session: InboundSession
  private readonly whenClosed: (connection: Http2Connection) => void
  private readonly requests = new Set<StreamClient>()

  private readonly socket: Socket
  private readonly header: Arrival['header']

  /** `whenClosed`: called once it has closed. What was read of the socket already is put back with `unshift`. */
  constructor(
    socket: Socket,
    { header, tls, redirect }: Arrival,
    options: ClientConnectionOptions,
    whenClosed: (connection: Http2Connection) => void,
  ) {
    this.options = options
    this.whenClosed = whenClosed
    this.socket = socket
    this.header = header
    this.identity = { ...peerIdentity(socket, header, options), tls, redirect }
    this.session = new InboundSession(socket, options.inbound2, this)
  }

  get port(): number {
    return this.header?.source?.port ?? this.socket.remotePort ?? 0
  }

  get localAddress(): string {
    return this.header?.destination?.address ?? plainAddress(this.socket.localAddress ?? '')
  }

  get isBusy(): boolean {
    return this.session.streams > 0
  }

  onRequest(stream: InboundStream): void {
    this.count()
    const client = new StreamClient(this, this.requests)
    const request = this.options.create(stream, client)
    client.request = request
    this.requests.add(client)
    request.start()
  }

  onRefusal(stream: InboundStream, refusal: MessageRefusal): void {
    this.count()
    const client = new StreamClient(this, this.requests)
    respondWith(stream, this.options.refuse(refusal, stream, client))
  }

  onStreamClosed(): void {
    this.idleSince = performance.now()
  }

  onClosed(reason: string | null): void {
    if (reason !== null) this.options.onHttp2Closed(reason)
    this.whenClosed(this)
  }

  drain(): void {
    this.session.drain()
  }

  cut(): number {
    let count = 0
    for (const { request } of [...this.requests]) if (request?.cut('proxy_stopping') === true) count++
    return count
  }

  close(): void {
    this.session.close()
  }

  destroy(): void {
    this.session.destroy()
  }

  private count(): void {
    this.served++
    if (this.served === this.options.maxRequests) this.session.drain()
  }
}

/** The client of one stream. */
class StreamClient implements Client {
  readonly address: string
  readonly localPort: string
  readonly trusted: boolean
  readonly tls: Client['tls']
  readonly redirect: Client['redirect']
  tunnelled = false
  request: RequestUnderWay | null = null
  private readonly connection: Http2Connection
  private readonly all: Set<StreamClient>

  constructor(connection: Http2Connection, all: Set<StreamClient>) {
    const { address, localPort, trusted, tls, redirect } = connection.identity
    this.connection = connection
    this.address = address
    this.localPort = localPort
    this.trusted = trusted
    this.tls = tls
    this.redirect = redirect
    this.all = all
  }

  get port(): number {
    return this.connection.port
  }

  get localAddress(): string {
    return this.connection.localAddress
  }

  ended(): void {
    this.all.delete(this)
  }
}
