import { unlink } from 'node:fs/promises'
import type { AddressInfo, Server } from 'node:net'
import { connect } from 'node:net'

/** A TCP address (port 0 = any free one), the path of a socket, or one that was handed to us: its descriptor, or a handle. */
export type ListenOn = ListenOptions | { readonly handle: object }

export type ListenOptions =
  | { readonly host: string; readonly port: number }
  | { readonly path: string }
  | { readonly fd: number }

const BACKLOG = 4_096

/** Has a server listen. A socket file that a killed process left behind is replaced. Rejects when it cannot listen. */
export async function listen(server: Server, address: ListenOn): Promise<AddressInfo | string> {
  try {
    await attempt(server, address)
  } catch (error) {
    if (!('path' in address) || !isInUse(error) || (await isAlive(address.path))) throw error
    await unlink(address.path)
    await attempt(server, address)
  }
  return server.address() as AddressInfo | string
}

function attempt(server: Server, address: ListenOn): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    const listening = (): void => {
      server.off('error', reject)
      resolve()
    }
    if ('handle' in address) server.listen(address.handle, BACKLOG, listening)
    else server.listen({ ...address, backlog: BACKLOG }, listening)
  })
}

function isInUse(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EADDRINUSE'
}

/** Whether anybody answers at a socket path. */
function isAlive(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
