import type { ServerStats } from '../../client/create-client.ts'
import { percent } from '../service-words.ts'

/** Figures of a server over a window. */
export type Figures = Pick<ServerStats, 'requests' | 'errorRate' | 'retries' | 'p95'>

export interface Limits {
  /** Percent of failures above those of the other servers. */
  readonly maxErrors: number
  /** How many times the p95 of the slowest other server. */
  readonly maxSlower: number
}

/** Fewer failures may be chance. */
const MIN_FAILURES = 3
/** Fewer requests say nothing about a p95. */
const MIN_REQUESTS = 50
/** A p95 that is so little above that of the others is no fault, ms. */
const SLOWER_MS = 20

/** Why a server does worse than the others; null = it does not. Pure. */
export function troubleOf(own: Figures, others: readonly Figures[], { maxErrors, maxSlower }: Limits): string | null {
  const failures = failuresOf(own)
  const usual = shareOf(others)
  const share = shareOf([own])
  if (failures >= MIN_FAILURES && share > usual + maxErrors)
    return `${failures} of ${triesOf(own)} requests failed there (${percent(share)}; at the others ${percent(usual)})`
  const slowest = Math.max(0, ...others.map(({ requests, p95 }) => (requests >= MIN_REQUESTS ? (p95 ?? 0) : 0)))
  const { p95, requests } = own
  if (
    slowest > 0 &&
    p95 !== null &&
    requests >= MIN_REQUESTS &&
    p95 > Math.max(slowest * maxSlower, slowest + SLOWER_MS)
  )
    return `its p95 is ${Math.round(p95)} ms, at the others at most ${Math.round(slowest)} ms`
  return null
}

/** Figures in a few words. */
export function figuresText(own: Figures): string {
  const { requests, p95 } = own
  if (triesOf(own) === 0) return 'no requests'
  const slow = p95 === null ? '' : `, p95 ${Math.round(p95)} ms`
  return `${requests} requests, ${failuresOf(own)} failed${slow}`
}

/** Errors that clients got, and failures that were made up for at another server. */
function failuresOf({ requests, errorRate, retries }: Figures): number {
  return Math.round(requests * (errorRate ?? 0)) + retries
}

function triesOf({ requests, retries }: Figures): number {
  return requests + retries
}

/** Failures in percent. */
function shareOf(all: readonly Figures[]): number {
  const tries = all.reduce((sum, each) => sum + triesOf(each), 0)
  return tries === 0 ? 0 : (100 * all.reduce((sum, each) => sum + failuresOf(each), 0)) / tries
}
