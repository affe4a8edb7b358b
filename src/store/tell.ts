/** Writes a log line about the store: the event and the remedy. */
export type Tell = (level: 'info' | 'warn' | 'error', message: string) => void

const WINDOW_MS = 60_000

/** A line that was written in the current window. */
interface Recent {
  /** Number of times it was written in this window. */
  written: number
  /** Number of times it was left out in this window. */
  leftOut: number
  /** Its latest text. */
  message: string
}

/**
 * Limits each line to `burst` times a minute. At the end of a minute, the last of the lines left out follows with their
 * number; so it goes on while the line repeats. Lines that differ only in their digits count as the same line.
 * `windowMs`: length of the minute, for tests.
 */
export function sparing(tell: Tell, burst = 1, windowMs = WINDOW_MS): Tell {
  const recent = new Map<string, Recent>()
  return (level, message) => {
    const key = `${level} ${message.replaceAll(/\d+/g, '#')}`
    const line = recent.get(key) ?? { written: 0, leftOut: 0, message }
    line.message = message
    if (line.written >= burst) {
      line.leftOut++
      return
    }
    if (line.written++ === 0) {
      recent.set(key, line)
      const endWindow = (): void => {
        if (line.leftOut === 0) {
          recent.delete(key)
          return
        }
        const times = line.leftOut === 1 ? 'once' : `${line.leftOut} times`
        tell(level, `${line.message} (${times} more in the last ${windowMs / 1_000} s)`)
        line.written = burst
        line.leftOut = 0
        setTimeout(endWindow, windowMs).unref()
      }
      setTimeout(endWindow, windowMs).unref()
    }
    tell(level, message)
  }
}
