import type { Deadline, Deadlines } from '../http1/deadlines.ts'

/** The response of a stream, and its connection. */
export interface LimitedOutput {
  /** Whether all that is left is in node:http2, which tells nothing of it. */
  readonly isHandedOver: boolean
  /** Bytes of bodies that the client takes now on the whole connection; changes with each piece that is sent. */
  readonly sendWindow: number
  /** The client has taken nothing of the response for too long. */
  onStalled(): void
}

/** Limits the time for which a client may take nothing of a response. */
export class OutputLimit {
  private readonly output: LimitedOutput
  private readonly timeoutMs: number
  private readonly deadline: Deadline
  /** null = it was not looked at yet. */
  private sendWindow: number | null = null

  constructor(output: LimitedOutput, timeoutMs: number, deadlines: Deadlines) {
    this.output = output
    this.timeoutMs = timeoutMs
    this.deadline = deadlines.create(() => this.onReached())
  }

  /** Begins anew. */
  set(): void {
    this.deadline.set(this.timeoutMs)
  }

  clear(): void {
    this.deadline.clear()
  }

  close(): void {
    this.deadline.close()
  }

  private onReached(): void {
    if (this.output.isHandedOver && this.isTaken()) this.set()
    else this.output.onStalled()
  }

  /** Whether the client has taken something since the last call. */
  private isTaken(): boolean {
    const before = this.sendWindow
    this.sendWindow = this.output.sendWindow
    return this.sendWindow !== before
  }
}
