import type { Socket } from 'node:net'
import type { ProxyHeader } from './header.ts'
import { parseProxyHeader } from './parse.ts'

/** Result of reading a header from a connection. */
export type Outcome =
  /** The socket is paused, and all bytes after the header are back in it. */
  | { readonly kind: 'header'; readonly header: ProxyHeader }
  | { readonly kind: 'invalid'; readonly reason: string }
  | { readonly kind: 'late' }
  /** The connection has ended. `bytes`: number of bytes received before that. */
  | { readonly kind: 'left'; readonly bytes: number }

/**
 * Reads the PROXY header of a new connection. Calls `onOutcome` once, after removing its listeners from the socket;
 * without a header, the caller must destroy the socket. `timeoutMs`: for the whole header; 0 = no limit.
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
      // Pause before `unshift`: in a flowing stream the bytes would stay until more arrive, and the next owner of the
      // connection may read those first, bypassing the stream.
      socket.pause()
      if (seen.length > outcome.header.length) socket.unshift(seen.subarray(outcome.header.length))
    }
    onOutcome(outcome)
  }

  socket.on('data', onData).on('end', onLeft).on('error', onLeft).on('close', onLeft)
}
