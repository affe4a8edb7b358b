import type { AddressInfo, Server } from 'node:net'
import { clearSocketFile, withMode } from './socket-file.ts'

/**
 * A TCP address (port 0 = any free port), the path of a socket file, or an inherited socket: its descriptor or handle.
 */
export type ListenOn = ListenOptions | { readonly handle: object }

export type ListenOptions =
  | { readonly host: string; readonly port: number }
  /** `mode`: permissions of the socket file; absent = by the umask. */
  | { readonly path: string; readonly mode?: number }
  | { readonly fd: number }

const BACKLOG = 4_096

/** Starts listening. Replaces a socket file that a killed process left behind. Rejects if the server cannot listen. */
export async function listen(server: Server, address: ListenOn): Promise<AddressInfo | string> {
  if ('path' in address) await clearSocketFile(address.path)
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    const listening = (): void => {
      server.off('error', reject)
      resolve()
    }
    if ('handle' in address) server.listen(address.handle, BACKLOG, listening)
    else if ('path' in address)
      withMode(address.mode, () => server.listen({ path: address.path, backlog: BACKLOG }, listening))
    else server.listen({ ...address, backlog: BACKLOG }, listening)
  })
  return server.address() as AddressInfo | string
}
