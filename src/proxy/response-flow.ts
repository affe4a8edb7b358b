import type { ClientStream } from './client/client-stream.ts'
import type { UpstreamCall } from './upstream/upstream-call.ts'

/** Passes the body of a response to the client as fast as the client reads it, and pauses the server meanwhile. */
export class ResponseFlow {
  private readonly stream: Pick<ClientStream, 'write'>
  private isPaused = false

  constructor(stream: Pick<ClientStream, 'write'>) {
    this.stream = stream
  }

  pass(piece: Buffer, call: UpstreamCall | null): void {
    if (this.stream.write(piece) || this.isPaused) return
    this.isPaused = true
    call?.pause()
    // While the client does not read, its own timeout runs.
    call?.setTimeout(0)
  }

  /** The client can take more. `idleMs`: max time that the server may then send nothing. */
  clientReady(call: UpstreamCall | null, idleMs: number): void {
    if (!this.isPaused) return
    this.isPaused = false
    call?.setTimeout(idleMs)
    call?.resume()
  }

  /** The server has sent something. */
  serverActive(call: UpstreamCall | null, idleMs: number): void {
    if (!this.isPaused) call?.setTimeout(idleMs)
  }
}
