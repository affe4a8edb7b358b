/** Length of a piece of a chunked body that ends the turn of its connection: small chunks take long to read. */
export const TURN_BYTES = 16 * 1024

/** Lets other connections have their turn of the event loop. */
export class Turn {
  /** Whether the connection waits for its next turn. */
  isOver = false
  private readonly onNext: () => void

  /** `onNext`: called when the connection has its next turn. */
  constructor(onNext: () => void) {
    this.onNext = onNext
  }

  /** Ends the turn. */
  end(): void {
    if (this.isOver) return
    this.isOver = true
    setImmediate(() => {
      this.isOver = false
      this.onNext()
    })
  }
}
