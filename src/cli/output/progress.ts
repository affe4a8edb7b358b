import { spoken } from '../durations.ts'
import { type Stream, sizeOf } from './terminal.ts'
import { fitted } from './text.ts'

/** Where there is no terminal, a line that only differs in its details is printed that often, ms. */
const REPEAT_MS = 30_000
const CLEAR_LINE = '\r\u001b[K'

/**
 * Shows what is waited for: one line in place on a terminal, a line when something has changed elsewhere. It goes to standard
 * error, so that the result can be piped.
 */
export class Progress {
  private readonly stream: Stream
  private readonly startedMs = performance.now()
  private isShown = false
  private headline = ''
  private saidMs = Number.NEGATIVE_INFINITY

  constructor(stream: Stream) {
    this.stream = stream
  }

  get elapsedMs(): number {
    return performance.now() - this.startedMs
  }

  /** `headline`: what it is about. `detail`: what may change all the time. */
  show(headline: string, detail = ''): void {
    const line = `${spoken(this.elapsedMs)}  ${headline}${detail === '' ? '' : `: ${detail}`}`
    if (this.stream.isTTY === true) {
      const { columns } = sizeOf(this.stream)
      this.stream.write(`${CLEAR_LINE}${fitted(line, columns - 1)}`)
      this.isShown = true
      return
    }
    if (headline === this.headline && this.elapsedMs - this.saidMs < REPEAT_MS) return
    this.headline = headline
    this.saidMs = this.elapsedMs
    this.stream.write(`${line}\n`)
  }

  /** Removes the line from a terminal; to be called before anything else is printed. */
  end(): void {
    if (this.isShown) this.stream.write(CLEAR_LINE)
    this.isShown = false
  }
}
