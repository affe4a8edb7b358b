/** Figures and times for people. Units are part of the text, so that no column needs another explanation. */

const NUMBER = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })
const TIME = new Intl.DateTimeFormat(undefined, { timeStyle: 'medium' })
const DATE_TIME = new Intl.DateTimeFormat(undefined, { dateStyle: 'short', timeStyle: 'medium' })

export function count(value: number): string {
  return NUMBER.format(value)
}

/** Requests per second. */
export function rate(perSecond: number): string {
  if (perSecond === 0) return '0/s'
  if (perSecond < 0.05) return '<0.1/s'
  return `${perSecond < 10 ? perSecond.toFixed(1) : NUMBER.format(perSecond)}/s`
}

/** A share of 1 in percent; – = there were no requests. */
export function share(part: number | null): string {
  if (part === null) return '–'
  if (part === 0) return '0 %'
  const percent = part * 100
  return percent < 0.01
    ? '<0.01 %'
    : `${percent < 1 ? percent.toFixed(2) : percent < 10 ? percent.toFixed(1) : Math.round(percent)} %`
}

/** Percent as the API has it. */
export function percent(value: number): string {
  return `${Number(value.toFixed(2))} %`
}

/** A duration in milliseconds; – = there were no requests. */
export function milliseconds(ms: number | null): string {
  if (ms === null) return '–'
  if (ms < 10) return `${ms.toFixed(1)} ms`
  return ms < 10_000 ? `${NUMBER.format(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`
}

export function bytes(value: number): string {
  return `${NUMBER.format(value / 1_048_576)} MB`
}

export function time(at: string | number): string {
  return TIME.format(new Date(at))
}

/** With the date, if it is not today. */
export function dateTime(at: string): string {
  const date = new Date(at)
  return date.toDateString() === new Date().toDateString() ? TIME.format(date) : DATE_TIME.format(date)
}

/** Time that has passed, roughly. */
export function ago(at: string | number, now: number): string {
  const seconds = Math.max(0, Math.round((now - new Date(at).getTime()) / 1_000))
  if (seconds < 60) return `${seconds} s`
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min`
  return seconds < 172_800 ? `${Math.floor(seconds / 3_600)} h` : `${Math.floor(seconds / 86_400)} d`
}

/** `1 server`, `2 servers`. */
export function counted(value: number, one: string, several = `${one}s`): string {
  return `${NUMBER.format(value)} ${value === 1 ? one : several}`
}

/** `a, b and c`. */
export function listed(names: readonly string[]): string {
  return names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`
}

/** `, cut in 12 s`; empty = never, or that has passed. */
export function untilCut(cutAt: string | undefined, now: number): string {
  const seconds = Math.ceil((Date.parse(cutAt ?? '') - now) / 1_000)
  return seconds > 0 ? `, cut in ${seconds} s` : ''
}
