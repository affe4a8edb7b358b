import { useSignal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import { type Again, again } from './again.ts'
import { noteRefusedToken, tokenProblem } from './session.ts'

/** Something that is read from the API when a view shows it. */
export interface Resource<T> {
  /** null = not read yet. */
  readonly value: T | null
  readonly error: Error | null
}

/** Min time from one reading to the next, ms. */
const MIN_MS = 300

/**
 * Reads something when the view appears, and again when one of `keys` changes; soon after `version` has changed, every `everyMs`, and
 * after a failure. Keeps the last value meanwhile. Only a change of `keys` ends a reading: versions may change faster than they can
 * be read.
 */
export function useResource<T>(
  read: (signal: AbortSignal) => Promise<T>,
  keys: readonly unknown[],
  { everyMs = null, version }: { readonly everyMs?: number | null; readonly version?: unknown } = {},
): Resource<T> {
  const state = useSignal<Resource<T>>({ value: null, error: null })
  const reading = useRef<Again | null>(null)
  useEffect(() => {
    const ended = new AbortController()
    const { signal } = ended
    const turn = async (): Promise<boolean> => {
      if (tokenProblem.value !== null) return true
      try {
        state.value = { value: await read(signal), error: null }
        return true
      } catch (error) {
        if (signal.aborted || noteRefusedToken(error)) return true
        state.value = { value: state.value.value, error: error as Error }
        return false
      }
    }
    const each = again(turn, { everyMs, minMs: MIN_MS })
    reading.current = each
    document.addEventListener('visibilitychange', each.now, { signal })
    return () => {
      ended.abort()
      each.stop()
    }
  }, keys)
  useEffect(() => reading.current?.now(), [...keys, version])
  return state.value
}
