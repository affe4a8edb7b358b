const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** Milliseconds of a duration such as 250ms, 30s or 2m, as in the configuration; null = it is none. */
export function durationMs(text: string): number | null {
  const [, amount, unit = ''] = /^(\d{1,9})(ms|s|m|h|d)$/.exec(text) ?? []
  return amount === undefined ? null : Number(amount) * (UNIT_MS[unit] ?? 0)
}

/** A time for people: 45s, 3m 20s, 2h 5m. */
export function spoken(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)}ms`
  const seconds = Math.round(ms / 1_000)
  if (seconds < 60) return `${seconds}s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return withRest(minutes, 'm', seconds % 60, 's')
  const hours = Math.floor(minutes / 60)
  return hours < 48 ? withRest(hours, 'h', minutes % 60, 'm') : `${Math.floor(hours / 24)}d`
}

function withRest(amount: number, unit: string, rest: number, restUnit: string): string {
  return rest === 0 ? `${amount}${unit}` : `${amount}${unit} ${rest}${restUnit}`
}

/** A time as the API takes it; it reads nine digits at most. */
export function asDuration(ms: number | undefined): string | undefined {
  if (ms === undefined) return undefined
  return ms < 1e9 ? `${ms}ms` : `${Math.round(ms / 1_000)}s`
}

/** A point in time for people, by the clock of this machine: 2026-11-29 11:32:28. */
export function clockTime(iso: string): string {
  const at = new Date(iso)
  const two = (part: number): string => String(part).padStart(2, '0')
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`
  return `${day} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`
}
