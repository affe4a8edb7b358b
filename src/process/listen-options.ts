import type { AddressInfo } from 'node:net'
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
