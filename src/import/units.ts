import { formatDuration, MAX_TIMER_MS } from '../config/units.ts'

const UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 7 * 86_400_000,
  us: 0.001,
  ns: 0.000_001,
}
const BYTES: Readonly<Record<string, number>> = { '': 1, b: 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 }

/**
 * A duration of another proxy (`1m30s`, `500ms`, or a number in `unit`) in the spelling of Cutover, rounded up to whole ms and
 * cut at its maximum; null = it is none.
 */
export function durationOf(text: string, unit: 'ms' | 's'): string | 0 | null {
  const ms = msOf(text, unit)
  if (ms === null) return null
  return ms === 0 ? 0 : formatDuration(Math.min(ms, MAX_TIMER_MS))
}

/** The same in milliseconds. */
export function msOf(text: string, unit: 'ms' | 's'): number | null {
  const trimmed = text.replace(/\s+/g, '')
  if (/^\d+(\.\d+)?$/.test(trimmed)) return Math.ceil(Number(trimmed) * (UNITS[unit] ?? 1))
  if (!/^(\d+(\.\d+)?(ms|us|ns|[smhdw]))+$/.test(trimmed)) return null
  const parts = [...trimmed.matchAll(/(\d+(?:\.\d+)?)(ms|us|ns|[smhdw])/g)]
  return Math.ceil(parts.reduce((sum, [, amount, name = '']) => sum + Number(amount) * (UNITS[name] ?? 0), 0))
}

/** Bytes of `10m`, `8k` or `10MB`; null = it is no size. */
export function bytesOf(text: string): number | null {
  const [, amount, unit = ''] = /^(\d+)\s*(|[kmg]?)(?:i?b)?$/i.exec(text.trim()) ?? []
  return amount === undefined ? null : Number(amount) * (BYTES[unit.toLowerCase()] ?? 1)
}

/** Bytes in the spelling of Cutover: `10mb`. */
export function sizeOf(bytes: number): string | number {
  const [name, size] = Object.entries({ gb: 1024 ** 3, mb: 1024 ** 2, kb: 1024 }).find(
    ([, unit]) => bytes > 0 && bytes % unit === 0,
  ) ?? ['', 1]
  return name === '' ? bytes : `${bytes / size}${name}`
}

/** The greatest weight of a server in Cutover. */
const MAX_WEIGHT = 1000

/** Weights within the maximum, in nearly the same proportions. */
export function weightsWithin(weights: readonly number[]): readonly number[] {
  const most = Math.max(...weights, 0)
  if (most <= MAX_WEIGHT) return weights
  return weights.map((weight) => (weight === 0 ? 0 : Math.max(1, Math.round((weight * MAX_WEIGHT) / most))))
}

/** Percent by name with two decimals, summing to 100, in the proportions of `weights`; null = all are 0. */
export function percentOf(weights: ReadonlyMap<string, number>): Readonly<Record<string, number>> | null {
  const sum = [...weights.values()].reduce((a, b) => a + b, 0)
  if (sum <= 0) return null
  const shares = [...weights].map(([name, weight]) => [name, Math.round((weight * 10_000) / sum)] as [string, number])
  const rest = 10_000 - shares.reduce((total, [, share]) => total + share, 0)
  const largest = shares.reduce((most, each) => (each[1] > most[1] ? each : most))
  largest[1] += rest
  return Object.fromEntries(shares.map(([name, share]) => [name, share / 100]))
}
