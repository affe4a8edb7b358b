const DURATION_UNITS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const
const SIZE_UNITS = { b: 1, kb: 1024, mb: 1024 ** 2, gb: 1024 ** 3 } as const

export const DURATION_PATTERN = '^\\d{1,9}(ms|s|m|h|d)$'
export const SIZE_PATTERN = '^\\d{1,9}([bB]|[kK][bB]|[mM][bB]|[gG][bB])$'
export const PERCENT_PATTERN = '^(100|\\d{1,2}(\\.\\d{1,2})?)%$'

/**
 * Max duration, 24 days in ms: above 2^31 - 1 ms a timer of Node fires at once. Sums of several durations need a
 * `LongTimer`.
 */
export const MAX_TIMER_MS = 24 * DURATION_UNITS.d

/** Milliseconds of `250ms`, `5s`, `2m`, `1h`, `1d` or the number 0; undefined for anything else. */
export function parseDuration(given: unknown): number | undefined {
  return given === 0 ? 0 : scaled(given, DURATION_PATTERN, DURATION_UNITS)
}

/** Bytes of `512b`, `64kb`, `2mb`, `1gb` (k = 1024) or of a whole number of bytes; undefined for anything else. */
export function parseSize(given: unknown): number | undefined {
  if (typeof given === 'number') return Number.isSafeInteger(given) && given >= 0 ? given : undefined
  return scaled(given, SIZE_PATTERN, SIZE_UNITS)
}

/** The number in `20%` or `0.5%`, 0 to 100, at most two decimals; also the number 0; undefined for anything else. */
export function parsePercent(given: unknown): number | undefined {
  if (given === 0) return 0
  return typeof given === 'string' && new RegExp(PERCENT_PATTERN).test(given) ? Number(given.slice(0, -1)) : undefined
}

/** The spelling with the largest unit that `parseDuration` reads back: 90000 → `90s`, 120000 → `2m`. */
export function formatDuration(ms: number): string {
  const [name, size] = Object.entries(DURATION_UNITS).findLast(([, unit]) => ms >= unit && ms % unit === 0) ?? ['ms', 1]
  return `${ms / size}${name}`
}

/** Inclusive ranges of status codes in `200-299` or `200,204,300-399` or the number 200; undefined for anything else. */
export function parseStatuses(given: unknown): readonly (readonly [number, number])[] | undefined {
  const ranges = String(given)
    .split(',')
    .map((part) => {
      const [, from, to = from] = /^\s*([1-5]\d\d)(?:-([1-5]\d\d))?\s*$/.exec(part) ?? []
      return [Number(from), Number(to)] as const
    })
  return ranges.every(([from, to]) => from <= to) ? ranges : undefined
}

function scaled(given: unknown, pattern: string, units: Readonly<Record<string, number>>): number | undefined {
  if (typeof given !== 'string' || !new RegExp(pattern).test(given)) return undefined
  const unit = units[given.replace(/^\d+/, '').toLowerCase()]
  const amount = Number.parseInt(given, 10) * (unit ?? Number.NaN)
  return Number.isSafeInteger(amount) ? amount : undefined
}
