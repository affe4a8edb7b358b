import { isIP, isIPv6, type OnReadOpts, connect as openTcp, Socket, type TcpNetConnectOpts } from 'node:net'
import type { ConnectionOptions, SecureContext } from 'node:tls'
import { connect as openTls } from 'node:tls'
import type { ServerTls } from '../model/server-address.ts'
import { DEFAULT_TLS, type ServerAddress, socketFileOf } from '../model/server-address.ts'
import { readServerUrl } from '../model/server-url.ts'
import { type HostName, NAMES, type Names } from './names.ts'
import { type ClientEnds, proxyHeader } from './proxy-header.ts'
import { TlsContext } from './tls-files.ts'

const KEEP_ALIVE_MS = 60_000
const PLAIN_BUFFER_BYTES = 64 * 1024
/** Size of a TLS record. */
const TLS_BUFFER_BYTES = 16 * 1024
/**
 * Time after which the next address of a name is tried, ms; the connection delay that RFC 8305 §5 recommends. A name of
 * which one family cannot be reached so costs that much, and not the whole time to connect.
 */
const ATTEMPT_MS = 250
const HTTP_1: readonly string[] = ['http/1.1']
const HTTP_2: readonly string[] = ['h2']

/** Parts of the URL of a socket file. */
const NO_URL = { hostname: '', port: 0, isSecure: false, isHttp2: false }

/** How a connection begins. */
export interface ConnectOptions {
  /** How the socket is read; absent = by its stream. Ignored where a connection `isLayered`. */
  readonly onread?: OnReadOpts
  /** Absent = that of the server. */
  readonly port?: number
  /** Protocols for ALPN; absent = that of the server. */
  readonly alpn?: readonly string[]
  /** The client that the server is told of in the PROXY header, if it gets one; absent = Cutover itself. */
  readonly client?: ClientEnds
}

/** Address and TLS settings of a server; opens its connections for requests, upgrades and probes. */
export class Endpoint {
  readonly url: string
  /** A host name, or an IP address without brackets; empty for a socket file. */
  readonly hostname: string
  /** 0 for a socket file. */
  readonly port: number
  /** null = the server is not at a socket file. */
  readonly socketFile: string | null
  readonly isSecure: boolean
  /** Whether the server speaks HTTP/2. */
  readonly isHttp2: boolean
  /** Whether TLS is another socket upon that of TCP, which then reads by its stream. */
  readonly isLayered: boolean
  /** The socket event that says that a connection is ready. */
  readonly readyEvent: 'connect' | 'secureConnect'
  /**
   * The name sent as SNI and required in the certificate, never a name from a client; empty = the certificate must name
   * its IP address.
   */
  readonly serverName: string
  private readonly address: ServerAddress
  private readonly host: HostName | null
  private readonly tls: ServerTls
  private readonly tlsContext: TlsContext
  /** TLS session, for an abbreviated handshake of the next connection. */
  private session: Buffer | undefined
  /** Number of layered connections that have failed, each of which tries one address of the name. */
  private failures = 0

  constructor(address: ServerAddress, names: Names = NAMES) {
    const { url, tls = DEFAULT_TLS, proxyProtocol, refreshMs } = address
    const socketFile = socketFileOf(url)
    const { hostname, port, isSecure, isHttp2 } = socketFile === null ? readServerUrl(url) : NO_URL
    this.url = url
    this.address = address
    this.hostname = hostname
    this.socketFile = socketFile
    this.isSecure = isSecure
    this.isHttp2 = isHttp2
    this.isLayered = this.isSecure && proxyProtocol !== undefined
    this.port = port
    this.readyEvent = this.isSecure ? 'secureConnect' : 'connect'
    this.host = this.socketFile === null && isIP(this.hostname) === 0 ? names.host(this.hostname, refreshMs) : null
    this.serverName = tls.serverName || (this.host === null ? '' : this.hostname)
    this.tls = tls
    this.tlsContext = new TlsContext(tls)
  }

  /**
   * How often the addresses of the host name have changed. Connections made before the last change may lead to an old
   * address.
   */
  get moves(): number {
    return this.host?.moves ?? 0
  }

  /** The server's address as the value of a Host field, for requests of Cutover itself. */
  hostField(port = this.port): string {
    if (this.address.host !== undefined && port === this.port) return this.address.host
    if (this.socketFile !== null) return 'localhost'
    const host = isIPv6(this.hostname) ? `[${this.hostname}]` : this.hostname
    return port === (this.isSecure ? 443 : 80) ? host : `${host}:${port}`
  }

  /**
   * Begins a connection and returns its socket at once; the socket emits `readyEvent` or `error`. If the name has
   * several addresses, the next one is tried when one cannot be reached.
   */
  connect(options: ConnectOptions = {}): Socket {
    const socket = this.isSecure ? this.openSecure(options) : this.openPlain(options)
    socket.setKeepAlive(true, KEEP_ALIVE_MS)
    socket.setNoDelay(true)
    if (this.host !== null) this.watchName(socket, this.host)
    return socket
  }

  private openPlain({ onread, port, client }: ConnectOptions): Socket {
    const { proxyProtocol } = this.address
    const common = { highWaterMark: PLAIN_BUFFER_BYTES, ...(onread === undefined ? {} : { onread }) }
    const socket =
      this.socketFile === null ? openTcp(this.at(port, common)) : openTcp({ path: this.socketFile, ...common })
    if (proxyProtocol !== undefined) socket.write(proxyHeader(proxyProtocol, client ?? null))
    return socket
  }

  /** `highWaterMark`: bytes to read ahead; missing in Node's type declarations. */
  private at<T extends { readonly highWaterMark: number }>(port: number | undefined, common: T): T & TcpNetConnectOpts {
    const several = { autoSelectFamily: true, autoSelectFamilyAttemptTimeout: ATTEMPT_MS }
    const named = this.host === null ? {} : { lookup: this.host.lookup, ...several }
    return { host: this.hostname, port: port ?? this.port, ...named, ...common }
  }

  private openSecure(options: ConnectOptions): Socket {
    let secureContext: SecureContext
    try {
      secureContext = this.tlsContext.get()
    } catch (error) {
      return new Socket().destroy(error as Error)
    }
    const { onread, port, alpn = this.isHttp2 ? HTTP_2 : HTTP_1 } = options
    const common = { highWaterMark: TLS_BUFFER_BYTES, ...(onread === undefined ? {} : { onread }) }
    const tls: ConnectionOptions = {
      ...(this.isLayered ? { socket: this.openLayer(options) } : this.at(port, common)),
      servername: this.serverName,
      secureContext,
      rejectUnauthorized: !this.tls.insecure,
      ALPNProtocols: [...alpn],
      ...(this.session === undefined ? {} : { session: this.session }),
    }
    return openTls(tls).on('session', (session) => {
      this.session = session
    })
  }

  /**
   * Opens the TCP connection below one of TLS, for the bytes that come before the handshake. It tries one address of the
   * name, since Node changes the handle of a socket that tries several; the next connection tries the next one.
   */
  private openLayer({ port, client }: ConnectOptions): Socket {
    const { host } = this
    const turn = this.failures
    const lookup = host === null ? {} : { lookup: host.lookupOne(turn), autoSelectFamily: false }
    const socket = openTcp({ ...this.at(port, { highWaterMark: PLAIN_BUFFER_BYTES }), ...lookup })
    socket.once('error', () => {
      this.failures = turn + 1
    })
    if (this.address.proxyProtocol !== undefined) socket.write(proxyHeader(this.address.proxyProtocol, client ?? null))
    return socket
  }

  /** Looks the host name up again if the connection fails. */
  private watchName(socket: Socket, host: HostName): void {
    const recheck = (): void => host.recheck()
    socket.once('error', recheck).once(this.readyEvent, () => socket.off('error', recheck))
  }
}
