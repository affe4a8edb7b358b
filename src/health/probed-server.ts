import type { Socket } from 'node:net'

/** A server as probes see it. */
export interface ProbedServer {
  /** Begins a connection; the socket emits `readyEvent` or `error`. `alpn`: by default HTTP/1.1. */
  open(alpn?: readonly string[]): Socket
  readonly readyEvent: 'connect' | 'secureConnect'
  /** The server's address as the value of a Host field. */
  readonly hostField: string
  readonly isSecure: boolean
}
