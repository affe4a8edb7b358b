import type { AcmeFailureKind } from '../../edge/acme/acme-failure.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS

/** Pauses by how costly a further failure is: servers count those of a name, and refuse it for days past some ten. */
const PAUSES: Readonly<Record<'short' | 'long', { readonly min: number; readonly max: number }>> = {
  short: { min: MINUTE_MS, max: HOUR_MS },
  long: { min: HOUR_MS, max: DAY_MS },
}
const BY_KIND: Readonly<Record<AcmeFailureKind, keyof typeof PAUSES>> = {
  unreachable: 'short',
  account: 'short',
  notReady: 'short',
  rateLimited: 'long',
  validation: 'long',
  refused: 'long',
}
/** Jitter, as a share of the pause. */
const JITTER = 0.1
/** Longest jitter after a time that the server has named, ms. */
const JITTER_AFTER_MS = 30_000

/**
 * Time until the next attempt, ms: doubles with each failure in a row (`failures`, this one included), and never shorter
 * than the server wants. `random`: from 0 to 1.
 */
export function backOffMs(kind: AcmeFailureKind, failures: number, retryAfterMs: number, random: number): number {
  const { min, max } = PAUSES[BY_KIND[kind]]
  const pauseMs = Math.min(max, min * 2 ** Math.max(0, failures - 1)) * (1 + JITTER * random)
  return Math.max(pauseMs, retryAfterMs === 0 ? 0 : retryAfterMs + JITTER_AFTER_MS * random)
}

/** Part of the life of a certificate after which the next one is ordered; up to `SPREAD` earlier. */
const RENEW_AT = 2 / 3
const SPREAD = 0.02

/** When a certificate is to be renewed, ms since the epoch. `random`: from 0 to 1. */
export function renewalAt(notBeforeMs: number, notAfterMs: number, nowMs: number, random: number): number {
  const lifeMs = notAfterMs - notBeforeMs
  const wanted = notBeforeMs + lifeMs * (RENEW_AT - SPREAD * random)
  // One that was issued with most of its life behind it must not be ordered again at once.
  return Math.round(Math.max(wanted, nowMs + (notAfterMs - nowMs) / 3))
}
