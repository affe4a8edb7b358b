import type { Socket } from 'node:net'
import type { InboundRequest } from './inbound-request.ts'

/** Delays before interim responses, ms. */
const PROBE_DELAYS_MS = [100, 200]
/** Time without a byte of a response after which the client counts as gone. */
const STILL_MS = 400
const PROCESSING = 102

/**
 * Finds out whether a client that has ended its side while it waits for a response is still there, and destroys the
 * socket if not. A client that has closed its socket resets the connection when something is sent to it, and the next
 * write fails: until there is a response, interim ones serve. In the middle of a response that stands still, the client
 * counts as gone. `isCurrent`: whether the request is still in flight.
 */
export function watchEnded(
  socket: Socket,
  request: InboundRequest,
  isCurrent: (request: InboundRequest) => boolean,
): void {
  let index = 0
  let written = -1
  const look = (): void => {
    if (!isCurrent(request)) return
    // A socket that has more to send waits for the client, which has a timeout of its own.
    if (request.headIsSent && socket.writableLength === 0 && socket.bytesWritten === written) {
      socket.destroy()
      return
    }
    if (!request.headIsSent && request.takesChunks && index < PROBE_DELAYS_MS.length) request.interim(PROCESSING, '')
    written = request.headIsSent ? socket.bytesWritten : -1
    index++
    lookLater()
  }
  const lookLater = (): void => {
    setTimeout(look, PROBE_DELAYS_MS[index] ?? STILL_MS).unref()
  }
  lookLater()
}
