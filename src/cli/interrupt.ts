/** Ctrl-C while a command waits: it ends the waiting, and the command says what stands. */
export class Interrupt {
  private readonly controller = new AbortController()
  private readonly listener = (): void => this.controller.abort()

  constructor() {
    for (const signal of SIGNALS) process.once(signal, this.listener)
  }

  get signal(): AbortSignal {
    return this.controller.signal
  }

  /** Does what Ctrl-C does, where it came as a key. */
  press(): void {
    this.controller.abort()
  }

  get isPressed(): boolean {
    return this.signal.aborted
  }

  /** Lets Ctrl-C end the process again. */
  end(): void {
    for (const signal of SIGNALS) process.off(signal, this.listener)
  }
}

const SIGNALS = ['SIGINT', 'SIGTERM'] as const

/** Waits for a time, or until `signal` is aborted. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', end)
      resolve()
    }
    const timer = setTimeout(end, signal.aborted ? 0 : ms)
    signal.addEventListener('abort', end)
  })
}
