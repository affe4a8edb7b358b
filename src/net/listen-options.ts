import { type AddressInfo, isIP } from 'node:net'
import type { ListenOptions } from './listen.ts'
import type { ListenAddress } from './listen-address.ts'
import { formatListen } from './listen-address.ts'

/** Converts an address of the configuration into options for `listen`. */
export function listenOptions(address: ListenAddress): ListenOptions {
  switch (address.kind) {
    case 'tcp':
      return { host: address.host, port: address.port }
    case 'unix':
      return address.mode === undefined ? { path: address.path } : { path: address.path, mode: address.mode }
    case 'fd':
      return { fd: address.fd }
  }
}

/**
 * URL of an address before listening there; empty if the URL becomes known only by listening (port 0, a host name, …).
 */
export function urlBeforeListening(address: ListenAddress): string {
  const isKnown = address.kind === 'tcp' && address.port !== 0 && isIP(address.host) !== 0
  return isKnown ? `http://${formatListen(address)}` : ''
}

/** URL of an address that is listened on, for people. */
export function urlOf(address: AddressInfo | string): string {
  if (typeof address === 'string') return `unix:${address}`
  return `http://${address.family === 'IPv6' ? `[${address.address}]` : address.address}:${address.port}`
}

/** URL of a listener with TLS, or without. */
export function secureUrl(url: string, isSecure: boolean): string {
  return isSecure ? url.replace(/^http:/, 'https:') : url
}

/** Name of a listener in metrics, by its URL: `127.0.0.1:8080`, `unix:/path`. */
export function listenerName(url: string): string {
  return url.replace('http://', '')
}

/** Explanations of listen errors by error code, where the system's message is not enough. */
const LISTEN_FAILURES: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another process already listens there',
  EADDRNOTAVAIL: 'no interface of this machine has that address',
  EACCES: 'permission denied; a port below 1024 needs a privilege, a socket file needs write permission for its folder',
  ENOTFOUND: 'that name has no address',
  EAI_AGAIN: 'the name server does not answer for that name',
}

/**
 * Waits until a listener of the configuration is open. Rejects with its key, its address and the reason of the failure:
 * `admin.listen: cannot listen on 10.0.0.9:9900: no interface of this machine has that address`.
 */
export async function forKey<T>(key: string, address: ListenAddress, listening: Promise<T>): Promise<T> {
  try {
    return await listening
  } catch (error) {
    const { code = '', message } = error as NodeJS.ErrnoException
    const reason = LISTEN_FAILURES[code] ?? message
    throw new Error(`${key}: cannot listen on ${formatListen(address)}: ${reason}`, { cause: error })
  }
}

/** Configuration key of a listener for clients. */
export function proxyListenKey(index: number, count: number): string {
  return count === 1 ? 'proxy.listen' : `proxy.listen[${index}]`
}
