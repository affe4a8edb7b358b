import type { HistoryEntry } from '../../../src/client/create-client.ts'
import { percent } from '../format.ts'

/** Longer values are cut off. */
const MAX_CHARS = 120

/** What a change has changed, line by line. */
export function changeLines({ from, to }: Pick<HistoryEntry, 'from' | 'to'>): readonly string[] {
  if (isNothing(from) && isObject(to)) return members(to)
  if (isObject(from) && isNothing(to)) return members(from).map((line) => `was ${line}`)
  if (!isObject(from) || !isObject(to)) return from === to ? [] : [`${text(from)} → ${text(to)}`]
  return difference('', from, to)
}

function difference(path: string, from: Record<string, unknown>, to: Record<string, unknown>): string[] {
  return [...new Set([...Object.keys(from), ...Object.keys(to)])].flatMap((key) => {
    const [before, after] = [from[key], to[key]]
    const at = path === '' ? key : `${path}.${key}`
    if (isObject(before) && isObject(after)) return difference(at, before, after)
    if (isNothing(before) && isObject(after)) return members({ [at]: after })
    if (JSON.stringify(before ?? null) === JSON.stringify(after ?? null)) return []
    return [`${at}: ${text(before)} → ${text(after)}`]
  })
}

/** A split as text; null = it is none. */
export function splitText(value: unknown): string | null {
  if (!isObject(value)) return null
  const parts = Object.entries(value)
  if (parts.length === 0 || parts.some(([, share]) => typeof share !== 'number')) return null
  return parts
    .filter(([, share]) => share !== 0)
    .map(([pool, share]) => `${pool} ${percent(share as number)}`)
    .join(', ')
}

/** The members of something new that one line can hold. */
function members(value: Record<string, unknown>): string[] {
  return Object.entries(value).flatMap(([key, member]) => {
    if (isNothing(member)) return []
    if (!isObject(member)) return Array.isArray(member) ? [] : [`${key}: ${text(member)}`]
    const isPlain = Object.values(member).every((each) => typeof each !== 'object')
    const parts = Object.entries(member).map(([name, each]) => (isPlain ? `${name} ${text(each)}` : name))
    return parts.length === 0 ? [] : [`${key}: ${text(parts.join(', '))}`]
  })
}

function isNothing(value: unknown): boolean {
  return value === null || value === undefined
}

function text(value: unknown): string {
  if (isNothing(value)) return 'none'
  const whole = typeof value === 'object' ? JSON.stringify(value) : String(value)
  return whole.length > MAX_CHARS ? `${whole.slice(0, MAX_CHARS)}…` : whole
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
