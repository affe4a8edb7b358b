import { listed, own } from './names.ts'
import type { Problem } from './refusal.ts'
import type { Split } from './spec.ts'

/** 100 percent. Shares are computed in hundredths of a percent, so that two decimals add up exactly. */
export const WHOLE = 10_000

/** A pool's share in hundredths of a percent, 0 to 10,000. */
export function shareOf(split: Split, pool: string): number {
  return Math.round((own(split, pool) ?? 0) * 100)
}

/** Lists every problem with `split` as a split over `pools`; empty = it is valid. */
export function splitProblems(split: Readonly<Record<string, unknown>>, pools: readonly string[]): Problem[] {
  const problems: Problem[] = []
  const known = new Set(pools)
  const message = `no such pool; there are ${listed(pools)}`
  let sum = 0
  for (const [pool, percent] of Object.entries(split)) {
    const path = `split.${pool}`
    if (!known.has(pool)) problems.push({ path, message })
    const problem = percentProblem(percent)
    if (problem !== null) problems.push({ path, message: problem })
    else sum += Math.round(Number(percent) * 100)
  }
  if (problems.length === 0 && sum !== WHOLE) {
    problems.push({ path: 'split', message: `the shares add up to ${sum / 100}, not to 100` })
  }
  return problems
}

/** Describes the problem with a percentage; null = it is valid. */
export function percentProblem(percent: unknown): string | null {
  if (typeof percent !== 'number' || !Number.isFinite(percent) || percent < 0 || percent > 100) {
    return `must be a number from 0 to 100, not ${JSON.stringify(percent)}`
  }
  const hundredths = percent * 100
  if (Math.abs(hundredths - Math.round(hundredths)) > 1e-6) return `at most two decimals, not ${percent}`
  return null
}

/** The split that gives one pool all requests. */
export function allTo(pool: string): Split {
  return { [pool]: 100 }
}

/** Whether two splits give every pool the same share. */
export function sameSplit(a: Split, b: Split): boolean {
  const pools = new Set([...Object.keys(a), ...Object.keys(b)])
  for (const pool of pools) if (shareOf(a, pool) !== shareOf(b, pool)) return false
  return true
}

/**
 * Gives pool `to` `percent`, and the rest to the other pools in their current proportions. If they have no share and
 * there is only one other pool, that pool gets the rest; with several, returns null: the distribution is ambiguous.
 */
export function shiftTo(split: Split, pools: readonly string[], to: string, percent: number): Split | null {
  const rest = WHOLE - Math.round(percent * 100)
  const others = pools.filter((pool) => pool !== to)
  const before = others.map((pool) => shareOf(split, pool))
  const sum = before.reduce((a, b) => a + b, 0)
  if (rest > 0 && sum === 0 && others.length !== 1) return null
  const weights = sum === 0 ? [1] : before
  const shares = apportion(rest, weights)
  const all = pools.map((pool) => [pool, pool === to ? WHOLE - rest : (shares[others.indexOf(pool)] ?? 0)] as const)
  return Object.fromEntries(all.filter(([, share]) => share > 0).map(([pool, share]) => [pool, share / 100]))
}

/**
 * Removes pools that no longer exist from a split, and scales it back to 100; `fallback` if no pool with a share is
 * left.
 */
export function adaptSplit(split: Split, pools: readonly string[], fallback: Split): Split {
  const kept = pools.filter((pool) => shareOf(split, pool) > 0)
  if (kept.length === 0) return fallback
  const shares = apportion(
    WHOLE,
    kept.map((pool) => shareOf(split, pool)),
  )
  return Object.fromEntries(kept.map((pool, i) => [pool, (shares[i] ?? 0) / 100]))
}

/**
 * Divides `total` into integers in proportion to `weights`, adding up exactly (largest remainder, Hamilton's method).
 */
function apportion(total: number, weights: readonly number[]): number[] {
  const sum = weights.reduce((a, b) => a + b, 0)
  if (sum === 0) return weights.map(() => 0)
  const exact = weights.map((weight) => (total * weight) / sum)
  const parts = exact.map(Math.floor)
  const byRemainder = exact.map((value, i) => ({ i, remainder: value - Math.floor(value) }))
  byRemainder.sort((a, b) => b.remainder - a.remainder || a.i - b.i)
  let missing = total - parts.reduce((a, b) => a + b, 0)
  for (const { i } of byRemainder) {
    if (missing-- <= 0) break
    parts[i] = (parts[i] ?? 0) + 1
  }
  return parts
}
