import { isIP, isIPv4, isIPv6 } from 'node:net'
import { domainToASCII } from 'node:url'
import { asHttp, serverOrigin } from '../model/server-url.ts'
import type { ListenAddress, TcpAddress } from '../net/listen-address.ts'

/**
 * Reads `127.0.0.1:8080`, `[::1]:8080`, `localhost:8080`, `:8080` (every interface: host is empty), `unix:/path` and
 * `fd:3`; undefined for anything else.
 */
export function parseListen(text: string): ListenAddress | undefined {
  if (text.startsWith('unix:')) return text.length > 5 ? { kind: 'unix', path: text.slice(5) } : undefined
  const [, fd] = /^fd:(\d{1,4})$/.exec(text) ?? []
  if (fd !== undefined) return { kind: 'fd', fd: Number(fd) }
  const [, bracketed, plain = '', digits] = /^(?:\[([^\]]+)\]|([^:[\]]*)):(\d{1,5})$/.exec(text) ?? []
  const port = Number(digits)
  if (digits === undefined || port > 65_535) return undefined
  if (bracketed !== undefined) return isIPv6(bracketed) ? { kind: 'tcp', host: bracketed, port } : undefined
  const host = plain === '' ? '' : parseHost(plain)
  return host === undefined ? undefined : { kind: 'tcp', host, port }
}

/** `0660` or `660`, in octal; undefined for anything else. */
export function parseMode(text: string): number | undefined {
  return /^0?[0-7]{3}$/.test(text) ? Number.parseInt(text, 8) : undefined
}

/** Like parseListen, but only for a host and port. */
export function parseTcpListen(text: string): TcpAddress | undefined {
  const target = parseListen(text)
  return target?.kind === 'tcp' ? target : undefined
}

/** `10.0.0.0/8` as given, a plain address as its `/32` or `/128`; undefined for anything else. */
export function parseCidr(text: string): string | undefined {
  const [address = '', bits, ...rest] = text.split('/')
  const width = isIPv4(address) ? 32 : isIPv6(address) && !address.includes('%') ? 128 : undefined
  if (width === undefined || rest.length > 0) return undefined
  if (bits === undefined) return `${address}/${width}`
  return /^\d{1,3}$/.test(bits) && Number(bits) <= width ? `${address}/${Number(bits)}` : undefined
}

/** Like parseCidr; `unix` stands for the peers at socket files, which have no address. */
export function parsePeers(text: string): string | undefined {
  return text === 'unix' ? text : parseCidr(text)
}

/**
 * A host name or address as a Host header has it: lower case, international names in ASCII, IPv6 in brackets, without a
 * port. Undefined for anything else.
 */
export function parseHost(text: string): string | undefined {
  const [, inner] = /^\[([^\]]+)\]$/.exec(text) ?? []
  if (inner !== undefined) return isIPv6(inner) ? text.toLowerCase() : undefined
  // domainToASCII uses the URL parser, which would cut `a/b` short and decode `%41`.
  if (/[\s/?#@:%\\]/.test(text)) return undefined
  const name = domainToASCII(text)
  // `0x7f.1` becomes 127.0.0.1, which would match Host headers that do not have this name.
  if (isIPv4(name) && name !== text) return undefined
  const label = '[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?'
  return name.length <= 253 && new RegExp(`^${label}(\\.${label})*$`).test(name) ? name : undefined
}

/** Like parseHost, but only for names that a certificate can be ordered for: no address, no wildcard, no underscore. */
export function parseDomain(text: string): string | undefined {
  const name = parseHost(text)
  return name === undefined || isIP(name) !== 0 || /[[_]/.test(name) ? undefined : name
}

/** Like parseHost; the first label may be `*`. */
export function parseHostPattern(text: string): string | undefined {
  if (!text.startsWith('*.')) return parseHost(text)
  const name = parseHost(text.slice(2))
  return name === undefined ? undefined : `*.${name}`
}

/** Explains why `*` is refused as a host; undefined for other text. */
export function explainHostPattern(text: string): string | undefined {
  return text === '*' ? 'is "*", which is not needed: without hosts, a service answers to any host' : undefined
}

/** Max bytes of the path of a socket file on Linux, without the zero at its end. */
const MAX_SOCKET_PATH = 107

/**
 * The address of a server: scheme, host and port of `http://10.0.0.1:9000`, normalised, `unix:/run/app.sock`, or the
 * name of SRV records.
 * Undefined if a part is missing or there are others.
 */
export function parseServerAddress(text: string): string | undefined {
  if (text.startsWith('unix:')) return parseSocketFile(text)
  return /^srv/i.test(text) ? parseServiceName(text) : parseServerUrl(text)
}

/** The name of SRV records: `srv://_http._tcp.web.internal`, or `srv+https://…` for servers with TLS. */
function parseServiceName(text: string): string | undefined {
  const [, scheme = '', host = ''] = /^(srv(?:\+https?)?):\/\/([^\s/?#@:\\]+)\/?$/i.exec(text) ?? []
  const name = parseHost(host)
  return name === undefined || isIP(name) !== 0 ? undefined : `${scheme.toLowerCase().replace(/\+http$/, '')}://${name}`
}

function parseSocketFile(text: string): string | undefined {
  const file = text.slice(5)
  const isPath = file.startsWith('/') && !file.includes('\0') && !file.endsWith('/')
  return isPath && Buffer.byteLength(file) <= MAX_SOCKET_PATH ? text : undefined
}

/** Scheme (http, https, h2c or h2), host and port of `http://10.0.0.1:9000`, normalised; undefined if a part is missing or there are others. */
export function parseServerUrl(text: string): string | undefined {
  const plain = asHttp(text)
  if (!/^https?:\/\/[^\s/?#@\\]+\/?$/i.test(plain) || !URL.canParse(plain)) return undefined
  const url = new URL(plain)
  return url.port === '0' || parseHost(url.hostname) === undefined ? undefined : serverOrigin(text)
}

/** Explains which part of a server's URL is not allowed; undefined if the problem is another one. */
export function explainServerUrl(text: string): string | undefined {
  if (text.startsWith('unix:')) {
    const isLong = Buffer.byteLength(text.slice(5)) > MAX_SOCKET_PATH
    if (isLong) return `has a path of more than ${MAX_SOCKET_PATH} bytes, which the system does not allow`
    return 'is not the path of a socket file; write it from the root, such as unix:/run/app.sock'
  }
  if (/^srv\b.*:\d+\/?$/i.test(text)) return 'has a port; SRV records have the ports of the servers, so leave it out'
  const [, origin = '', login = '', host = '', rest = ''] =
    /^((?:https?|h2c?):\/\/)([^/?#@]*@)?([^/?#]*)(.*)$/is.exec(text) ?? []
  const server = `write ${origin}${host}`
  if (login !== '') return `has a user or password in it, which servers do not take; ${server}`
  if (rest.startsWith('?') || rest.startsWith('#')) return `has a query or fragment; ${server}`
  if (rest !== '' && rest !== '/') {
    return `has a path (${rest.slice(0, 40)}); requests keep the path they came with, so ${server}`
  }
  return undefined
}

/** A host name that a certificate may have, or the empty string; undefined for anything else, addresses included. */
export function parseServerName(text: string): string | undefined {
  const name = text === '' ? '' : parseHost(text)
  return name === undefined || name.startsWith('[') || isIP(name) !== 0 ? undefined : name
}

/** A path prefix without a trailing slash (`/` itself stays); undefined if it could match no request. */
export function parsePathPrefix(text: string): string | undefined {
  if (!/^\/[\x21-\x7e]*$/.test(text) || /[?#*]/.test(text)) return undefined
  // A regular expression that ends in $ would take quadratic time for many slashes in the middle.
  let end = text.length
  while (end > 1 && text[end - 1] === '/') end--
  return text.slice(0, end)
}

/** Explains why a path with a star is refused; undefined for other text. */
export function explainPathPrefix(text: string): string | undefined {
  if (!text.includes('*')) return undefined
  return 'has a "*"; paths are prefixes and need none: /api covers /api and everything below it'
}

/** Scheme, host and port of `http://10.0.0.1:9900`; undefined for anything else. */
export function parseHttpOrigin(text: string): string | undefined {
  const origin = parseServerUrl(text)
  return origin?.startsWith('http://') ? origin : undefined
}

/** `redis-1`, `redis-1:6379` or `[::1]:6379`; undefined for anything else. */
export function parseNode(text: string, defaultPort: number): { host: string; port: number } | undefined {
  const target = parseListen(/:\d+$/.test(text) && !isIPv6(text) ? text : `${text}:${defaultPort}`)
  return target?.kind === 'tcp' && target.host !== '' && target.port > 0
    ? { host: target.host, port: target.port }
    : undefined
}
