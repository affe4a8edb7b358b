/** Max pause after a slow reading, ms: somebody looks at the page and waits for an instance that is slow or away. */
const MAX_PAUSE_MS = 5_000

/** Pause after a reading that has failed, ms. */
const RETRY_MS = 2_000

/** A reading that is repeated. */
export interface Again {
  /** Reads now, or as soon as the reading under way is over and `minMs` have passed since the last one. */
  now(): void
  /** Ends it; a reading under way goes on to its end. */
  stop(): void
}

/**
 * Repeats a reading every `everyMs`, soon after it has failed, and whenever it is asked to, while the page can be seen; never two at a
 * time. A slow answer makes the pauses longer, up to five seconds, so that a reading takes a tenth of the time. `read`: resolves to
 * whether it has succeeded, and never rejects. `everyMs`: null = only when it is asked to.
 */
export function again(
  read: () => Promise<boolean>,
  { everyMs, minMs }: { everyMs: number | null; minMs: number },
): Again {
  let timer: ReturnType<typeof setTimeout> | undefined
  let isReading = false
  let isWanted = false
  let isStopped = false
  let lastAt = Number.NEGATIVE_INFINITY
  let pauseMs = minMs

  const run = async (): Promise<void> => {
    isReading = true
    isWanted = false
    const begin = performance.now()
    const isRead = await read()
    isReading = false
    lastAt = performance.now()
    pauseMs = Math.max(minMs, Math.min(10 * (lastAt - begin), MAX_PAUSE_MS))
    if (isWanted) plan(pauseMs)
    else if (!isRead) plan(Math.max(RETRY_MS, pauseMs))
    else if (everyMs !== null) plan(Math.max(everyMs, pauseMs))
  }
  const plan = (ms: number): void => {
    clearTimeout(timer)
    if (isStopped) return
    timer = setTimeout(() => {
      // Nobody looks at a hidden page: it reads when it is shown again.
      if (document.visibilityState === 'visible') void run()
    }, ms)
  }
  return {
    now: () => {
      isWanted = true
      if (!isReading) plan(Math.max(0, lastAt + pauseMs - performance.now()))
    },
    stop: () => {
      isStopped = true
      clearTimeout(timer)
    },
  }
}
