import { writeSync } from 'node:fs'
import type { Socket } from 'node:net'

/** GOAWAY with the highest stream id and NO_ERROR. RFC 9113 §6.8. */
const NOTICE = Buffer.from('000008070000000000' + '7fffffff' + '00000000', 'hex')

/** Members of the handle of a socket that Node has and does not document. */
interface SocketHandle {
  /** -1 = closed, or a system without descriptors. */
  readonly fd?: number
  /** Bytes that the system has not taken yet. */
  readonly writeQueueSize?: number
}

/**
 * Tells a client that its connection will close, with a GOAWAY that names no last stream, if the socket takes it at once. Returns
 * false if the system took only a part of it, or the connection broke: nothing can follow then.
 *
 * The frame goes past node:http2, which ignores all streams after any GOAWAY of its own. What node:http2 writes to a socket are
 * whole frames, so with an empty queue this frame stands between two of them. It does not go through `socket.write`: when a write
 * has to wait, node:http2 takes the completion of that write for one of its own, and the process aborts.
 *
 * Only one writer may use a TLS socket, so the notice is left out there.
 */
export function sendShutdownNotice(socket: Socket): boolean {
  const handle = (socket as { _handle?: SocketHandle | null })._handle
  if ('encrypted' in socket || handle?.writeQueueSize !== 0 || handle.fd === undefined || handle.fd < 0) return true
  try {
    return writeSync(handle.fd, NOTICE) === NOTICE.length
  } catch (error) {
    // The system has no room for it.
    return (error as NodeJS.ErrnoException).code === 'EAGAIN'
  }
}
