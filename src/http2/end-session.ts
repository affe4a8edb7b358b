import type { Http2Session } from 'node:http2'
import type { Socket } from 'node:net'

function close(session: Http2Session): void {
  if (!session.closed && !session.destroyed) session.close()
}

function destroy(session: Http2Session, socket: Socket): void {
  if (!session.destroyed) session.destroy()
  socket.destroy()
}

/** Closes a session once its streams have ended. In a turn of its own, for the reason of `resetStream`. */
export function closeSession(session: Http2Session): void {
  setImmediate(close, session)
}

/** Closes a session and its socket at once. In a turn of its own, for the reason of `resetStream`. */
export function destroySession(session: Http2Session, socket: Socket): void {
  setImmediate(destroy, session, socket)
}
