import type { Socket } from 'node:net'

type Callback = (error?: Error | null) => void

/**
 * Holds the failure of a write back until the socket has been read to its end. A server that answers early and closes its
 * connection, with the rest of the request unread, resets it; its answer may have come and not been read by then. A Node
 * stream that knows of the failure discards it, and never emits 'end'; one that does not waits with what is to be written.
 * Returns a function that gives the socket its own behaviour back.
 */
export function readToEnd(socket: Socket): () => void {
  const { _write, _writev } = socket
  const hold =
    (done: Callback): Callback =>
    (error) => {
      if (isReset(error) && !socket.readableEnded && !socket.destroyed) socket.once('end', () => done(error))
      else done(error)
    }
  socket._write = (chunk, encoding, done) => _write.call(socket, chunk, encoding, hold(done))
  socket._writev = (chunks, done) => _writev?.call(socket, chunks, hold(done))
  return () => {
    Object.assign(socket, { _write, _writev })
  }
}

function isReset(error: NodeJS.ErrnoException | null | undefined): boolean {
  return error?.code === 'EPIPE' || error?.code === 'ECONNRESET'
}
