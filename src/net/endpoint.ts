import { isIP, type OnReadOpts, connect as openTcp, Socket, type TcpNetConnectOpts } from 'node:net'
import type { ConnectionOptions, SecureContext } from 'node:tls'
import { connect as openTls } from 'node:tls'
import { readServerUrl } from '../model/server-url.ts'
import type { ServerTls } from '../model/spec.ts'
import { type HostName, NAMES, type Names } from './names.ts'
import { TlsContext } from './tls-files.ts'

const KEEP_ALIVE_MS = 60_000
const PLAIN_BUFFER_BYTES = 64 * 1024
/** Size of a TLS record. */
const TLS_BUFFER_BYTES = 16 * 1024
export const DEFAULT_TLS: ServerTls = { serverName: '', ca: '', cert: '', key: '', insecure: false }

/** Address and TLS settings of a server; opens its connections for requests, upgrades and probes. */
export class Endpoint {
  readonly url: string
  /** A host name, or an IP address without brackets. */
  readonly hostname: string
  readonly port: number
  readonly isSecure: boolean
  /** Whether the server speaks HTTP/2. */
  readonly isHttp2: boolean
  /** As in a Host field. */
  readonly host: string
  /** The socket event that says that a connection is ready. */
  readonly readyEvent: 'connect' | 'secureConnect'
  /**
   * The name sent as SNI and required in the certificate, never a name from a client; empty = the certificate must name
   * its IP address.
   */
  readonly serverName: string
  private readonly name: HostName | null
  private readonly tls: ServerTls
  private readonly tlsContext: TlsContext
  /** TLS session, for an abbreviated handshake of the next connection. */
  private session: Buffer | undefined

  /** `url`: scheme, host and port. */
  constructor(url: string, tls: ServerTls = DEFAULT_TLS, names: Names = NAMES) {
    const { hostname, port, host, isSecure, isHttp2 } = readServerUrl(url)
    this.url = url
    this.hostname = hostname
    this.isSecure = isSecure
    this.isHttp2 = isHttp2
    this.port = port
    this.host = host
    this.readyEvent = this.isSecure ? 'secureConnect' : 'connect'
    this.name = isIP(hostname) === 0 ? names.host(hostname) : null
    this.serverName = tls.serverName || (this.name === null ? '' : hostname)
    this.tls = tls
    this.tlsContext = new TlsContext(tls)
  }

  /**
   * How often the addresses of the host name have changed. Connections made before the last change may lead to an old
   * address.
   */
  get moves(): number {
    return this.name?.moves ?? 0
  }

  /**
   * Begins a connection and returns its socket at once; the socket emits `readyEvent` or `error`. If the name has
   * several addresses, the next one is tried when one cannot be reached. `onread`: how the socket is read; null = by
   * its stream.
   */
  connect(onread: OnReadOpts | null = null, port = this.port): Socket {
    const socket = this.isSecure ? this.openSecure(port, onread) : openTcp(this.at(port, PLAIN_BUFFER_BYTES, onread))
    socket.setKeepAlive(true, KEEP_ALIVE_MS)
    socket.setNoDelay(true)
    if (this.name !== null) this.watchName(socket, this.name)
    return socket
  }

  /** `highWaterMark`: bytes to read ahead; missing in Node's type declarations. */
  private at(
    port: number,
    highWaterMark: number,
    onread: OnReadOpts | null,
  ): TcpNetConnectOpts & { readonly highWaterMark: number } {
    return {
      host: this.hostname,
      port,
      highWaterMark,
      ...(this.name === null ? {} : { lookup: this.name.lookup }),
      ...(onread === null ? {} : { onread }),
    }
  }

  private openSecure(port: number, onread: OnReadOpts | null): Socket {
    let secureContext: SecureContext
    try {
      secureContext = this.tlsContext.get()
    } catch (error) {
      return new Socket().destroy(error as Error)
    }
    const options: ConnectionOptions = {
      ...this.at(port, TLS_BUFFER_BYTES, onread),
      servername: this.serverName,
      secureContext,
      rejectUnauthorized: !this.tls.insecure,
      ALPNProtocols: [this.isHttp2 ? 'h2' : 'http/1.1'],
      ...(this.session === undefined ? {} : { session: this.session }),
    }
    return openTls(options).on('session', (session) => {
      this.session = session
    })
  }

  /** Looks the host name up again if the connection fails. */
  private watchName(socket: Socket, host: HostName): void {
    const recheck = (): void => host.recheck()
    socket.once('error', recheck).once(this.readyEvent, () => socket.off('error', recheck))
  }
}
