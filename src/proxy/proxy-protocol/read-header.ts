import type { Socket } from 'node:net'
import type { ProxyHeader } from './header.ts'
import { parseProxyHeader } from './parse.ts'

/** How the reading of a header has ended. */
export type Outcome =
  /** The socket is paused, and every byte behind the header is back in it. */
  | { readonly kind: 'header'; readonly header: ProxyHeader }
  | { readonly kind: 'invalid'; readonly reason: string }
  | { readonly kind: 'late' }
  /** The connection has ended. `bytes`: of the header, that had come. */
  | { readonly kind: 'left'; readonly bytes: number }

/**
 * Reads the PROXY header off a connection that nothing has been read from. Calls back once; nothing of it is left on the
 * socket then, and without a header the socket is to be destroyed. `timeoutMs`: for the whole header; 0 = none.
 */
export function readProxyHeader(socket: Socket, timeoutMs: number, onOutcome: (outcome: Outcome) => void): void {
  let seen: Buffer = Buffer.alloc(0)
  const timer = timeoutMs > 0 ? setTimeout(() => settle({ kind: 'late' }), timeoutMs) : undefined

  function onData(chunk: Buffer): void {
    seen = seen.length === 0 ? chunk : Buffer.concat([seen, chunk])
    const reading = parseProxyHeader(seen)
    if (reading.kind !== 'incomplete') settle(reading)
  }

  function onLeft(): void {
    settle({ kind: 'left', bytes: seen.length })
  }

  function settle(outcome: Outcome): void {
    clearTimeout(timer)
    socket.off('data', onData).off('end', onLeft).off('error', onLeft).off('close', onLeft)
    if (outcome.kind === 'header') {
      // What is put back into a stream that flows stays there until more comes, and whoever takes the connection over
      // may read that more before it, past the stream.
      socket.pause()
      if (seen.length > outcome.header.length) socket.unshift(seen.subarray(outcome.header.length))
    }
    onOutcome(outcome)
  }

  socket.on('data', onData).on('end', onLeft).on('error', onLeft).on('close', onLeft)
}
