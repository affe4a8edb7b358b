import { type AddressInfo, isIP } from 'node:net'
import { formatListen } from '../config/addresses.ts'
import type { ListenAddress } from '../config/config.ts'
import type { ListenOptions } from '../proxy/client/listen.ts'

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

/** Waits for `listening`; an error is rethrown with the configuration key that it concerns. */
export async function forKey<T>(key: string, listening: Promise<T>): Promise<T> {
  try {
    return await listening
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    const reason = code === 'EADDRINUSE' ? 'something else listens there already' : message
    throw new Error(`${key}: cannot listen: ${reason}`, { cause: error })
  }
}
