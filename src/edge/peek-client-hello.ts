import type { Socket } from 'node:net'
import { type ClientHello, readClientHello } from './client-hello.ts'

/**
 * Reads the ClientHello of a new connection, and puts what was read back into the socket, which is paused then. Calls
 * `onRead` once, with null if it is none; never if the connection ends before.
 */
export function peekClientHello(socket: Socket, onRead: (hello: ClientHello | null) => void): void {
  let seen: Buffer = Buffer.alloc(0)

  function onData(chunk: Buffer): void {
    seen = seen.length === 0 ? chunk : Buffer.concat([seen, chunk])
    const hello = readClientHello(seen)
    if (hello === 'incomplete') return
    detach()
    // Before `unshift`, as in readProxyHeader.
    socket.pause()
    socket.unshift(seen)
    onRead(hello)
  }

  function onLeft(): void {
    detach()
    socket.destroy()
  }

  function detach(): void {
    socket.off('data', onData).off('end', onLeft).off('error', onLeft)
  }

  socket.on('data', onData).on('end', onLeft).on('error', onLeft)
  socket.resume()
}
