import { isIP, type OnReadOpts, connect as openTcp, Socket, type TcpNetConnectOpts } from 'node:net'
import type { ConnectionOptions, SecureContext } from 'node:tls'
import { connect as openTls } from 'node:tls'
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
  /** The socket event that says that a connection is ready. */
  readonly readyEvent: 'connect' | 'secureConnect'
  /**
   * The name sent as SNI and required in the certificate, never a name from a client; empty = the certificate must name
   * its IP address.
   */
  readonly serverName: string
  private readonly host: HostName | null
  private readonly tls: ServerTls
  private readonly tlsContext: TlsContext
  /** TLS session, for an abbreviated handshake of the next connection. */
  private session: Buffer | undefined

  /** `url`: scheme, host and port. */
  constructor(url: string, tls: ServerTls = DEFAULT_TLS, names: Names = NAMES) {
    const { protocol, hostname, port } = new URL(url)
    this.url = url
    this.hostname = hostname.replace(/^\[|\]$/g, '')
    this.isSecure = protocol === 'https:'
    this.port = port === '' ? (this.isSecure ? 443 : 80) : Number(port)
    this.readyEvent = this.isSecure ? 'secureConnect' : 'connect'
    this.host = isIP(this.hostname) === 0 ? names.host(this.hostname) : null
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

  /**
   * Begins a connection and returns its socket at once; the socket emits `readyEvent` or `error`. If the name has
   * several addresses, the next one is tried when one cannot be reached. `onread`: how the socket is read; null = by
   * its stream.
   */
  connect(onread: OnReadOpts | null = null, port = this.port): Socket {
    const socket = this.isSecure ? this.openSecure(port, onread) : openTcp(this.at(port, PLAIN_BUFFER_BYTES, onread))
    socket.setKeepAlive(true, KEEP_ALIVE_MS)
    socket.setNoDelay(true)
    if (this.host !== null) this.watchName(socket, this.host)
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
      ...(this.host === null ? {} : { lookup: this.host.lookup }),
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
      ALPNProtocols: ['http/1.1'],
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
