import { signal } from '@preact/signals'

/** The time by the clock of the page, ms since the epoch; moves on every second. */
export const now = signal(Date.now())

setInterval(() => {
  if (document.visibilityState === 'visible') now.value = Date.now()
}, 1_000)
