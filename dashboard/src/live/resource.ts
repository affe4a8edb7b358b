import { useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { noteRefusedToken } from './session.ts'

/** Something that is read from the API when a view shows it. */
export interface Resource<T> {
  /** null = not read yet. */
  readonly value: T | null
  readonly error: Error | null
}

/** Pause after a failed reading, ms. */
const RETRY_MS = 3_000

/**
 * Reads something when the view appears, and again when one of `keys` changes, every `everyMs`, and soon after a failure. Keeps
 * the last value meanwhile. A hidden page reads once it is shown.
 */
export function useResource<T>(
  read: (signal: AbortSignal) => Promise<T>,
  keys: readonly unknown[],
  everyMs: number | null = null,
): Resource<T> {
  const state = useSignal<Resource<T>>({ value: null, error: null })
  useEffect(() => {
    const ended = new AbortController()
    let timer: ReturnType<typeof setTimeout> | undefined
    const turn = async (): Promise<void> => {
      if (document.visibilityState !== 'visible') {
        document.addEventListener('visibilitychange', turn, { once: true, signal: ended.signal })
        return
      }
      let pauseMs = everyMs
      try {
        state.value = { value: await read(ended.signal), error: null }
      } catch (error) {
        if (ended.signal.aborted || noteRefusedToken(error)) return
        state.value = { value: state.value.value, error: error as Error }
        pauseMs = everyMs ?? RETRY_MS
      }
      if (pauseMs !== null && !ended.signal.aborted) timer = setTimeout(turn, pauseMs)
    }
    void turn()
    return () => {
      ended.abort()
      clearTimeout(timer)
    }
  }, keys)
  return state.value
}
