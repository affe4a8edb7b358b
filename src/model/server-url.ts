/** Parts of a server's URL. */
export interface ServerUrl {
  /** A host name, or an IP address without brackets. */
  readonly hostname: string
  readonly port: number
  /** As in a Host field: without the default port. */
  readonly host: string
  readonly isSecure: boolean
  readonly isHttp2: boolean
}

/** The scheme for URL of each scheme of servers: only schemes that it knows are normalised. */
const PLAIN: Readonly<Record<string, string>> = { h2c: 'http', h2: 'https' }
const SCHEME = /^(h2c?):/i

/** Reads a server's URL: http://, https://, h2c:// (HTTP/2) or h2:// (HTTP/2 over TLS). */
export function readServerUrl(url: string): ServerUrl {
  const { protocol, hostname, host, port } = new URL(asHttp(url))
  const isSecure = protocol === 'https:'
  return {
    hostname: hostname.replace(/^\[|\]$/g, ''),
    port: port === '' ? (isSecure ? 443 : 80) : Number(port),
    host,
    isSecure,
    isHttp2: SCHEME.test(url),
  }
}

/** A server's URL with the scheme of HTTP/1.1, which URL and others understand. */
export function asHttp(url: string): string {
  return url.replace(SCHEME, (_all, scheme: string) => `${PLAIN[scheme.toLowerCase()]}:`)
}

/** The origin of a server's URL, normalised, with its own scheme. Throws if it is no URL. */
export function serverOrigin(url: string): string {
  const { origin } = new URL(asHttp(url))
  const [, scheme] = SCHEME.exec(url) ?? []
  return scheme === undefined ? origin : origin.replace(/^https?/, scheme.toLowerCase())
}
