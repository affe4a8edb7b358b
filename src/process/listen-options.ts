import { type AddressInfo, isIP } from 'node:net'
import { formatListen } from '../config/addresses.ts'
import type { ListenAddress } from '../config/config.ts'
import type { ListenOptions } from '../proxy/client/listen.ts'

/** An address of the configuration as `listen` takes it. */
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

/** The URL of an address that nobody listens on yet; empty where only listening shows what it is. */
export function urlBeforeListening(address: ListenAddress): string {
  const isKnown = address.kind === 'tcp' && address.port !== 0 && isIP(address.host) !== 0
  return isKnown ? `http://${formatListen(address)}` : ''
}

/** An address in use as people are told it. */
export function urlOf(address: AddressInfo | string): string {
  if (typeof address === 'string') return `unix:${address}`
  return `http://${address.family === 'IPv6' ? `[${address.address}]` : address.address}:${address.port}`
}

/** Says which key of the configuration it was when a listener cannot be opened. */
export async function forKey<T>(key: string, listening: Promise<T>): Promise<T> {
  try {
    return await listening
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    const reason = code === 'EADDRINUSE' ? 'something else listens there already' : message
    throw new Error(`${key}: cannot listen: ${reason}`, { cause: error })
  }
}
