import type { JsonValue } from '../model/state.ts'
import { childPath, type Problems, quote } from './problems.ts'

/**
 * Copies a value as a file could hold it: mappings, lists and scalars, without members that are undefined. Everything
 * else is added to `problems`.
 */
export function plain(value: unknown, path: string, problems: Problems, around: readonly unknown[] = []): JsonValue {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value
  if (typeof value === 'number' && Number.isFinite(value)) return value
  if (typeof value === 'object' && around.includes(value)) problems.add(path, 'contains itself')
  else if (Array.isArray(value))
    return value.map((item, index) => plain(item, childPath(path, index), problems, [...around, value]))
  else if (typeof value === 'object' && [Object.prototype, null].includes(Object.getPrototypeOf(value)))
    return Object.fromEntries(
      Object.entries(value)
        .filter(([, member]) => member !== undefined)
        .map(([key, member]) => [key, plain(member, childPath(path, key), problems, [...around, value])]),
    )
  else problems.add(path, `expected what a file can hold, not ${kindOf(value)}`)
  return null
}

function kindOf(value: unknown): string {
  if (typeof value === 'function' || typeof value === 'symbol') return `a ${typeof value}`
  return typeof value === 'object' && value !== null ? `a ${value.constructor?.name ?? 'strange object'}` : quote(value)
}
