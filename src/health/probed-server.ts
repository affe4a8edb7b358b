import type { Socket } from 'node:net'

/** A server as probes see it. */
export interface ProbedServer {
  /** Begins a connection; the socket emits `readyEvent` or `error`. `alpn`: by default that of the server. */
  open(alpn?: readonly string[]): Socket
  readonly readyEvent: 'connect' | 'secureConnect'
  /** The server's address as the value of a Host field. */
  readonly hostField: string
  readonly isSecure: boolean
  /** Whether the server speaks HTTP/2. */
  readonly isHttp2: boolean
}
