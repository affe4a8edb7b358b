import { lookup } from 'node:dns/promises'
import { fstatSync, unlinkSync } from 'node:fs'
import * as net from 'node:net'
import { setTimeout } from 'node:timers/promises'
import { getSystemErrorMessage } from 'node:util'
import type { ListenAddress } from '../config/config.ts'
import { listen } from '../proxy/client/listen.ts'
import { clearSocketFile, SocketFileInUse, withMode } from '../proxy/client/socket-file.ts'

/** A bound socket that nobody reads; what `child.send` can hand over and `server.listen` take. */
export interface Handle {
  readonly fd: number
  getsockname?(name: object): number
  close(): void
}

/** The sockets of one listener, held open for as long as the instance lives, whoever takes connections from them. */
export interface HeldSocket {
  /** As people are told it: `http://127.0.0.1:8080`. */
  readonly url: string
  /** By slot; one of them is for all where there is only one. */
  readonly handles: readonly Handle[]
  /** Safe to call again. */
  close(): void
  /** Takes away what is left of it in the file system. */
  remove?(): void
}

/** What node:cluster makes its handles with. net.BoundSocket would do, but can be handed over only once. */
interface HandleFactory {
  _createServerHandle(host: string | null, port: number, family: number, fd?: number, flags?: number): Handle | number
}

const { _createServerHandle: createHandle } = net as unknown as HandleFactory
/** Of libuv: SO_REUSEPORT. */
const UV_TCP_REUSEPORT = 2
/** The children of a supervisor that was killed end a moment after it, and have its sockets until then. */
const PATIENCE_MS = 2_000
const RETRY_MS = 50
/** In the place of port and family: a socket file. */
const FILE = -1

/**
 * Binds an address without taking connections from it. On Linux every slot gets a socket of its own (SO_REUSEPORT), over
 * which the system spreads connections evenly; a connection that waits at a socket is never lost, since it is held here
 * and not by the process that takes connections from it. Rejects when somebody else listens there.
 */
export async function hold(address: ListenAddress, slots: number): Promise<HeldSocket> {
  switch (address.kind) {
    case 'fd':
      return holdInherited(address.fd)
    case 'unix':
      return holdFile(address.path, address.mode)
    case 'tcp':
      return holdPort(address.host, address.port, slots)
  }
}

function holdInherited(fd: number): HeldSocket {
  assertInherited(fd)
  // Whoever handed it to us has it still: it is not ours to close.
  return { url: `fd:${fd}`, handles: [{ fd, close: () => undefined }], close: () => undefined }
}

/** Throws when there is no socket at this descriptor that somebody has handed over. */
export function assertInherited(fd: number): void {
  if (isSocket(fd)) return
  throw new Error(`cannot listen on fd:${fd}: whoever started this process has handed over no socket there`)
}

function isSocket(fd: number): boolean {
  try {
    return fstatSync(fd).isSocket()
  } catch {
    return false
  }
}

async function holdFile(path: string, mode: number | undefined): Promise<HeldSocket> {
  await untilFree(() => clearSocketFile(path))
  const handles = [withMode(mode, () => bind(path, FILE, FILE, 0, `unix:${path}`))]
  let isRemoved = false
  const remove = (): void => {
    if (isRemoved) return
    isRemoved = true
    try {
      unlinkSync(path)
    } catch {
      // Gone already.
    }
  }
  return { url: `unix:${path}`, handles, close: closing(handles), remove }
}

async function holdPort(name: string, port: number, slots: number): Promise<HeldSocket> {
  const { address, family } = name === '' ? { address: null, family: 6 } : await lookup(name)
  const where = `${name}:${port}`
  // With SO_REUSEPORT, two instances on one port would not notice each other.
  if (port !== 0) await untilFree(() => assertFree({ host: name, port }))
  const flags = process.platform === 'linux' && slots > 1 ? UV_TCP_REUSEPORT : 0
  const handles = [bind(address, port, family, flags, where)]
  const bound = nameOf(handles[0] as Handle)
  try {
    while (flags !== 0 && handles.length < slots) handles.push(bind(address, bound.port, family, flags, where))
  } catch (error) {
    closing(handles)()
    throw error
  }
  const host = bound.family === 'IPv6' ? `[${bound.address}]` : bound.address
  return { url: `http://${host}:${bound.port}`, handles, close: closing(handles) }
}

function bind(host: string | null, port: number, family: number, flags: number, where: string): Handle {
  const handle = createHandle(host, port, family, undefined, flags)
  if (typeof handle === 'number') throw new Error(`cannot listen on ${where}: ${getSystemErrorMessage(handle)}`)
  return handle
}

function nameOf(handle: Handle): net.AddressInfo {
  const name = {} as net.AddressInfo
  handle.getsockname?.(name)
  return name
}

/** Rejects as listening there would. */
async function assertFree(address: { host: string; port: number }): Promise<void> {
  const server = net.createServer()
  await listen(server, address)
  await new Promise((resolve) => server.close(resolve))
}

/** Tries again for a moment while somebody else listens there. */
async function untilFree(attempt: () => Promise<void>): Promise<void> {
  const until = performance.now() + PATIENCE_MS
  for (;;) {
    try {
      await attempt()
      return
    } catch (error) {
      const isInUse = error instanceof SocketFileInUse || (error as NodeJS.ErrnoException).code === 'EADDRINUSE'
      if (!isInUse || performance.now() > until) throw error
      await setTimeout(RETRY_MS)
    }
  }
}

function closing(handles: readonly Handle[]): () => void {
  let isClosed = false
  return () => {
    if (isClosed) return
    isClosed = true
    for (const handle of handles) handle.close()
  }
}
