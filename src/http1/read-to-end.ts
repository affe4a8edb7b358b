import type { Socket } from 'node:net'

/**
 * Keeps a socket open for reading after a write has failed, until it has been read to its end. A server that answers early
 * and closes its connection, with the rest of the request unread, resets it; its answer may have come and not been read by
 * then, and Node would discard it with the failure of the next write. The end of the input, or the error of reading,
 * follows. Returns a function that gives the socket its own behaviour back.
 */
export function readToEnd(socket: Socket): () => void {
  const { destroy } = socket
  socket.destroy = (error?: Error) =>
    isOfWriting(error) && !socket.readableEnded ? socket : destroy.call(socket, error)
  return () => {
    socket.destroy = destroy
  }
}

function isOfWriting(error: NodeJS.ErrnoException | undefined): boolean {
  return error?.syscall === 'write' && (error.code === 'EPIPE' || error.code === 'ECONNRESET')
}
