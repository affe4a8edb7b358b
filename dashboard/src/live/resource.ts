import { useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { isTokenRefused } from './session.ts'

/** Something that is read from the API when a view shows it. */
export interface Resource<T> {
  /** null = not read yet. */
  readonly value: T | null
  readonly error: Error | null
}

/** Reads something when the view appears, and again when one of `keys` changes, or every `everyMs`. Keeps the last value meanwhile. */
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
      try {
        if (document.visibilityState === 'visible') state.value = { value: await read(ended.signal), error: null }
      } catch (error) {
        if (ended.signal.aborted) return
        if (isTokenRefused(error)) return
        state.value = { value: state.value.value, error: error as Error }
      }
      if (everyMs !== null && !ended.signal.aborted) timer = setTimeout(turn, everyMs)
    }
    void turn()
    return () => {
      ended.abort()
      clearTimeout(timer)
    }
  }, keys)
  return state.value
}
