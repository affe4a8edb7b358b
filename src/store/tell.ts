/** Writes a line for people about the store: what happened, and what to do. */
export type Tell = (level: 'info' | 'warn' | 'error', message: string) => void

const WINDOW_MS = 60_000

/** A line that was written lately. */
interface Recent {
  /** How often it was written in this window. */
  written: number
  /** How often it was left out in this window. */
  leftOut: number
  /** As it was last. */
  message: string
}

/**
 * Writes a line that repeats at most `burst` times a minute; at the end of the minute the last of those left out
 * follows, with their number, and then again as long as it repeats. Lines that differ only in their digits count as the
 * same one. `windowMs`: the minute.
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
