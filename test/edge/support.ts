import { once } from 'node:events'
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls'
import { CertificateFolder } from '../support/certificate-folder.ts'
import { Cutover, type CutoverOptions } from '../support/cutover.ts'
import { Authority } from '../support/issue-certificate.ts'
import { RawConnection } from '../support/raw-client.ts'
import { type Handler, startUpstream, type Upstream } from '../support/upstream.ts'

/** The authority of all certificates here, unless a test says otherwise. */
export const AUTHORITY = new Authority()

/** A Cutover with a TLS listener for `localhost`, in front of one server. */
export class Edge {
  readonly cutover: Cutover
  readonly server: Upstream
  readonly folder: CertificateFolder
  readonly port: number
  private readonly options: CutoverOptions

  private constructor(cutover: Cutover, server: Upstream, folder: CertificateFolder, options: CutoverOptions) {
    this.cutover = cutover
    this.server = server
    this.folder = folder
    this.options = options
    this.port = Number(new URL(cutover.proxy).port)
  }

  /** `tls`: beside the certificate for localhost. `listen`: beside address and TLS. `others`: further listeners. */
  static async start(options: EdgeOptions = {}): Promise<Edge> {
    const { tls = {}, listen = {}, others = [], handler, proxy = {}, service = {}, ...rest } = options
    const folder = await CertificateFolder.create()
    const server = await startUpstream(handler)
    const certificates = [await folder.put('localhost', AUTHORITY.issue())]
    const settings: CutoverOptions = {
      services: { shop: { health: 'off', ...service, pools: { blue: { servers: { b1: server.url } } } } },
      ...rest,
      proxy: { listen: [{ address: '127.0.0.1:0', tls: { certificates, ...tls }, ...listen }, ...others], ...proxy },
    }
    return new Edge(await Cutover.start(settings), server, folder, settings)
  }

  /** Reads the configuration again, after `change` of the listeners. */
  async reload(
    change: (listen: object[]) => object[] = (listen) => listen,
  ): Promise<{ status: number; body: unknown }> {
    const { listen } = this.options.proxy as { readonly listen: object[] }
    await this.cutover.configure({ ...this.options, proxy: { ...this.options.proxy, listen: change(listen) } })
    return this.cutover.api('POST', '/api/config/reload')
  }

  /** A connection after its handshake. */
  async secure(options: ConnectionOptions = {}): Promise<TLSSocket> {
    return secureTo(this.port, options)
  }

  /** A connection on which HTTP/1.1 is written by hand. */
  async raw(options: ConnectionOptions = {}): Promise<RawConnection> {
    return new RawConnection(await this.secure(options))
  }

  /** The fingerprint of the certificate that a new connection gets. */
  async fingerprint(options: ConnectionOptions = {}): Promise<string> {
    const socket = await this.secure(options)
    const { fingerprint256 } = socket.getPeerCertificate()
    socket.destroy()
    return fingerprint256
  }

  /** Handshakes by outcome, as in the metrics. */
  async handshakes(): Promise<Record<string, number>> {
    const { body } = await this.cutover.api('GET', '/metrics')
    const found = String(body).matchAll(/^cutover_tls_handshakes_total\{.*outcome="(\w+)"\} (\d+)$/gm)
    return Object.fromEntries([...found].map(([, outcome = '', count]) => [outcome, Number(count)]))
  }

  async stop(): Promise<void> {
    await this.cutover.stop()
    await this.server.close()
    await this.folder.remove()
  }
}

export interface EdgeOptions extends Omit<CutoverOptions, 'services' | 'proxy'> {
  readonly tls?: object
  readonly listen?: object
  readonly others?: readonly object[]
  readonly handler?: Handler
  readonly proxy?: object
  readonly service?: object
}

/** `allowHalfOpen`: missing in Node's type declarations. */
export type SecureOptions = ConnectionOptions & { readonly allowHalfOpen?: boolean }

/** A connection to a port of this machine, after its handshake. Rejects with the error of the handshake. */
export async function secureTo(port: number, options: SecureOptions = {}): Promise<TLSSocket> {
  const socket = connect({ host: '127.0.0.1', port, ca: AUTHORITY.cert, servername: 'localhost', ...options })
  await once(socket, 'secureConnect')
  return socket
}

/** How a connection whose handshake should fail ends: the code of its error, or `closed`. */
export async function refusalOf(port: number, options: ConnectionOptions = {}): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port, ca: AUTHORITY.cert, servername: 'localhost', ...options })
  return new Promise((resolve) => {
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    socket.on('close', () => resolve('closed'))
    // With TLS 1.3, the server refuses a client's certificate only after the client's end of the handshake.
    socket.on('data', () => resolve('served'))
    socket.on('secureConnect', () => socket.write('GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'))
  })
}

export const GET = ['GET / HTTP/1.1', 'Host: localhost']
