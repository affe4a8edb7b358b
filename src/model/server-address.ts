/** TLS to a server. Source: SPEC §16. */
export interface ServerTls {
  /** The name sent as SNI and required in the certificate; empty = the host of the server's URL. */
  readonly serverName: string
  /** PEM files; empty = none. `ca`: the authorities to trust instead of the default ones. */
  readonly ca: string
  readonly cert: string
  readonly key: string
  /** Accept any certificate. */
  readonly insecure: boolean
}

/** TLS settings of a server that has none. */
export const DEFAULT_TLS: ServerTls = { serverName: '', ca: '', cert: '', key: '', insecure: false }

/** Versions of the PROXY protocol that Cutover sends. */
export type ProxyProtocol = 'v1' | 'v2'

/** Where a server is, and how connections to it begin. Servers with equal ones are the same machine for health checks. */
export interface ServerAddress {
  /** Scheme, host and port (`http://10.0.0.1:9000`), or a socket file (`unix:/run/app.sock`). */
  readonly url: string
  /** TLS settings of an https:// server; absent = the URL's host name and the default authorities. */
  readonly tls?: ServerTls
  /** A PROXY header with the client's address begins each connection; absent = none does. */
  readonly proxyProtocol?: ProxyProtocol
  /** Value of Host in requests of Cutover itself, such as probes; absent = host and port of `url`. */
  readonly host?: string
  /** Max time until a change of the addresses of its host name is noticed, ms; absent = 30 s. */
  readonly refreshMs?: number
}

/** The address alone of something that has more properties. */
export function addressIn({ url, tls, proxyProtocol, host, refreshMs }: ServerAddress): ServerAddress {
  return {
    url,
    ...(tls === undefined ? {} : { tls }),
    ...(proxyProtocol === undefined ? {} : { proxyProtocol }),
    ...(host === undefined ? {} : { host }),
    ...(refreshMs === undefined ? {} : { refreshMs }),
  }
}

/** The path of the socket file in `unix:/run/app.sock`; null = another kind of address. */
export function socketFileOf(url: string): string | null {
  return url.startsWith('unix:') ? url.slice(5) : null
}
