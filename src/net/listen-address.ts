import { BlockList, isIP, isIPv6 } from 'node:net'

/**
 * Where a listener listens. An empty host = every interface, port 0 = any free port; `fd`: a socket that the parent
 * process has opened.
 */
export type ListenAddress =
  | TcpAddress
  /** `mode`: permissions of the socket file; absent = by the umask. */
  | { readonly kind: 'unix'; readonly path: string; readonly mode?: number }
  | { readonly kind: 'fd'; readonly fd: number }

export interface TcpAddress {
  readonly kind: 'tcp'
  readonly host: string
  readonly port: number
}

const LOOPBACK = new BlockList()
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4')
LOOPBACK.addAddress('::1', 'ipv6')

/** The spelling that the configuration reads back: `127.0.0.1:8080`, `unix:/path` or `fd:3`. */
export function formatListen(target: ListenAddress): string {
  if (target.kind === 'fd') return `fd:${target.fd}`
  if (target.kind === 'unix') return `unix:${target.path}`
  return `${isIPv6(target.host) ? `[${target.host}]` : target.host}:${target.port}`
}

/** Whether only this machine can reach a listener. */
export function isLoopback(address: ListenAddress): boolean {
  if (address.kind !== 'tcp' || address.host === 'localhost') return true
  const family = isIP(address.host)
  return family !== 0 && LOOPBACK.check(address.host, family === 6 ? 'ipv6' : 'ipv4')
}
