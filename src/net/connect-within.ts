import type { Socket } from 'node:net'
import type { Endpoint } from './endpoint.ts'

/** Called once, with an error or with a connection that is ready. */
export type Connected = (error: Error | null, socket: Socket | null) => void

/**
 * Connects with a timeout that is exact to the millisecond, unlike that of undici. `timeoutMs`: 0 = no timeout;
 * `timeoutError`: makes the error that the timeout results in.
 */
export function connectWithin(
  endpoint: Endpoint,
  timeoutMs: number,
  timeoutError: () => Error,
  callback: Connected,
): void {
  const socket = endpoint.connect()
  const timer = timeoutMs === 0 ? undefined : setTimeout(() => socket.destroy(timeoutError()), timeoutMs)
  const fail = (error: Error): void => {
    clearTimeout(timer)
    callback(error, null)
  }
  socket.once('error', fail)
  socket.once(endpoint.readyEvent, () => {
    clearTimeout(timer)
    socket.off('error', fail)
    callback(null, socket)
  })
}
