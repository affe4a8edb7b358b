import { CertificateFolder } from '../support/certificate-folder.ts'
import { Load2 } from '../support/http2-load.ts'
import { Authority } from '../support/issue-certificate.ts'
import { Load } from '../support/load.ts'

/** What the clients of a proof speak with the instances. */
export interface Protocol {
  readonly tls: boolean
  /** Instead of HTTP/1.1: negotiated with TLS, with prior knowledge without. */
  readonly http2: boolean
}

export interface ClientOptions {
  /** The address of an instance, as it prints it. */
  readonly address: string
  readonly clients: number
  /** The names of the servers. */
  readonly names: readonly string[]
  /** Called with the milliseconds that each right answer took. */
  readonly onAnswer?: (ms: number) => void
}

/** HTTP/1.1 without TLS. */
export const PLAIN: Protocol = { tls: false, http2: false }

/** How many clients share a connection of HTTP/2. */
export const STREAMS = 20

/** The protocol in words, as in "50 switches over …". */
export function nameOf({ tls, http2 }: Protocol): string {
  return `${http2 ? 'HTTP/2' : 'HTTP/1.1'}${tls ? ' and TLS' : ''}`
}

/** How clients reach the instances of a proof: the listener that is to be configured, and clients that speak its protocol. */
export class Frontend {
  readonly protocol: Protocol
  /** `proxy.listen` of the configuration. */
  readonly listen: readonly object[]
  private readonly authority: Authority | null
  private readonly folder: CertificateFolder | null

  private constructor(
    protocol: Protocol,
    listen: object,
    authority: Authority | null,
    folder: CertificateFolder | null,
  ) {
    this.protocol = protocol
    this.listen = [{ address: '127.0.0.1:0', ...listen }]
    this.authority = authority
    this.folder = folder
  }

  /** Writes a certificate that is of no use to anybody else, if TLS needs one. */
  static async create(protocol: Protocol): Promise<Frontend> {
    if (!protocol.tls) return new Frontend(protocol, protocol.http2 ? { h2c: true } : {}, null, null)
    const [authority, folder] = [new Authority(), await CertificateFolder.create()]
    const certificates = [await folder.put('localhost', authority.issue())]
    return new Frontend(protocol, { tls: { certificates } }, authority, folder)
  }

  /** How many requests a client can have under way on one connection. */
  get streams(): number {
    return this.protocol.http2 ? STREAMS : 1
  }

  /** Has clients send to an instance at full speed. */
  startLoad({ address, ...options }: ClientOptions): Load | Load2 {
    const url = `${address}/`
    const trust = this.authority === null ? {} : { ca: this.authority.cert }
    if (!this.protocol.http2) return new Load({ ...options, ...trust, url })
    return new Load2({ ...options, url, streams: STREAMS, session: { ...trust, servername: 'localhost' } })
  }

  /** Removes the certificate. */
  async remove(): Promise<void> {
    await this.folder?.remove()
  }
}
