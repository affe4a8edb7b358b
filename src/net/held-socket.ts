import { lookup } from 'node:dns/promises'
import { fstatSync, unlinkSync } from 'node:fs'
import * as net from 'node:net'
import { setTimeout } from 'node:timers/promises'
import { getSystemErrorMessage, getSystemErrorName } from 'node:util'
import { listen } from './listen.ts'
import type { ListenAddress } from './listen-address.ts'
import { clearSocketFile, SocketFileInUse, withMode } from './socket-file.ts'

/** A bound socket without a reader, which `child.send` can hand over and `server.listen` accepts. */
export interface Handle {
  readonly fd: number
  getsockname?(name: object): number
  close(): void
}

/** The sockets of one listener, held open for as long as the instance lives, whichever process accepts from them. */
export interface HeldSocket {
  /** Address for people: `http://127.0.0.1:8080`. */
  readonly url: string
  /** One socket for each slot, or a single one for all slots. */
  readonly handles: readonly Handle[]
  /** Safe to call again. */
  close(): void
  /** Removes the socket file. */
  remove?(): void
}

/**
 * The function that node:cluster makes its handles with. net.BoundSocket is no alternative: it can be handed over only
 * once.
 */
interface HandleFactory {
  _createServerHandle(host: string | null, port: number, family: number, fd?: number, flags?: number): Handle | number
}

const { _createServerHandle: createHandle } = net as unknown as HandleFactory
/** libuv's flag for SO_REUSEPORT. */
const UV_TCP_REUSEPORT = 2
/**
 * Time to wait for a busy address: the children of a killed supervisor hold its sockets until they end, shortly after
 * it.
 */
const PATIENCE_MS = 2_000
const RETRY_MS = 50
/** Passed as port and family to bind a socket file. */
const FILE = -1

/**
 * Binds an address without accepting connections. On Linux every slot gets a socket of its own (SO_REUSEPORT), and the
 * system spreads connections evenly over them. The socket stays open in this process, so a connection in its backlog
 * survives the death of the process that accepts from it. Rejects if another process listens on the address.
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
  // The process that handed the socket over owns it and still has it open, so it is not closed here.
  return { url: `fd:${fd}`, handles: [{ fd, close: () => undefined }], close: () => undefined }
}

/** Throws if this descriptor is not an inherited socket. */
export function assertInherited(fd: number): void {
  if (isSocket(fd)) return
  throw new Error('the process that started Cutover passed no socket at this descriptor')
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
  const handles = [withMode(mode, () => bind(path, FILE, FILE, 0))]
  let isRemoved = false
  const remove = (): void => {
    if (isRemoved) return
    isRemoved = true
    try {
      unlinkSync(path)
    } catch {
      // Already removed.
    }
  }
  return { url: `unix:${path}`, handles, close: closing(handles), remove }
}

async function holdPort(name: string, port: number, slots: number): Promise<HeldSocket> {
  const { address, family } = name === '' ? { address: null, family: 6 } : await lookup(name)
  // With SO_REUSEPORT, two instances on one port would not notice each other.
  if (port !== 0) await untilFree(() => assertFree({ host: name, port }))
  const flags = process.platform === 'linux' && slots > 1 ? UV_TCP_REUSEPORT : 0
  const handles = [bind(address, port, family, flags)]
  const bound = nameOf(handles[0] as Handle)
  try {
    while (flags !== 0 && handles.length < slots) handles.push(bind(address, bound.port, family, flags))
  } catch (error) {
    closing(handles)()
    throw error
  }
  const host = bound.family === 'IPv6' ? `[${bound.address}]` : bound.address
  return { url: `http://${host}:${bound.port}`, handles, close: closing(handles) }
}

function bind(host: string | null, port: number, family: number, flags: number): Handle {
  const handle = createHandle(host, port, family, undefined, flags)
  if (typeof handle !== 'number') return handle
  throw Object.assign(new Error(getSystemErrorMessage(handle)), { code: getSystemErrorName(handle) })
}

function nameOf(handle: Handle): net.AddressInfo {
  const name = {} as net.AddressInfo
  handle.getsockname?.(name)
  return name
}

/** Rejects with the error of `listen` if the address is in use. */
async function assertFree(address: { host: string; port: number }): Promise<void> {
  const server = net.createServer()
  await listen(server, address)
  await new Promise((resolve) => server.close(resolve))
}

/** Repeats `attempt` for up to `PATIENCE_MS` while another process listens on the address. */
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
