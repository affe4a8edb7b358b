import { compareIds } from './entry-ids.ts'
import type { EventLog } from './event-log.ts'

/** Time in which an event that another instance has shown must arrive here, ms. */
const ARRIVES_MS = 3_000

/**
 * Waits until a log has come as far as the event `id`, which a reader may have had from another instance before this one
 * knows it; at most `withinMs`, since the store may have lost the event. Ends early if `stopped` is aborted.
 */
export function eventArrival(
  log: EventLog,
  id: string,
  { withinMs = ARRIVES_MS, stopped }: { readonly withinMs?: number; readonly stopped?: AbortSignal } = {},
): Promise<void> {
  const isThere = (): boolean => compareIds(id, log.kept.newest) <= 0
  if (isThere() || stopped?.aborted === true) return Promise.resolve()
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer)
      unsubscribe()
      stopped?.removeEventListener('abort', end)
      resolve()
    }
    const timer = setTimeout(end, withinMs).unref()
    const unsubscribe = log.subscribe(() => {
      if (isThere()) end()
    })
    stopped?.addEventListener('abort', end)
  })
}
