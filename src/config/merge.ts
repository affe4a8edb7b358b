import { isDeepStrictEqual } from 'node:util'
import type { JsonObject, JsonValue } from '../model/state.ts'

/**
 * Applies a JSON merge patch, RFC 7396: members of `patch` replace, null removes, objects are merged recursively.
 * Neither argument is modified; a member named `__proto__` is treated like any other. Applied to `{}`, the result is the patch
 * without its nulls.
 */
export function mergePatch(target: JsonValue | undefined, patch: JsonObject): JsonObject
export function mergePatch(target: JsonValue | undefined, patch: JsonValue): JsonValue
export function mergePatch(target: JsonValue | undefined, patch: JsonValue): JsonValue {
  if (!isJsonObject(patch)) return patch
  const merged = new Map(Object.entries(isJsonObject(target) ? target : {}))
  for (const [name, change] of Object.entries(patch)) {
    if (change === null) merged.delete(name)
    else merged.set(name, mergePatch(merged.get(name), change))
  }
  return Object.fromEntries(merged)
}

/**
 * The smallest merge patch that turns `from` into `to`: `mergePatch(from, diffPatch(from, to))` equals `to`. Members
 * of `to` must not be null outside of lists, since a merge patch cannot express that.
 */
export function diffPatch(from: JsonObject, to: JsonObject): JsonObject {
  const removed = Object.keys(from).flatMap((name): [string, JsonValue][] =>
    Object.hasOwn(to, name) ? [] : [[name, null]],
  )
  const changed = Object.entries(to).flatMap(([name, after]): [string, JsonValue][] => {
    const before = Object.hasOwn(from, name) ? from[name] : undefined
    if (isDeepStrictEqual(before, after)) return []
    return [[name, isJsonObject(before) && isJsonObject(after) ? diffPatch(before, after) : after]]
  })
  return Object.fromEntries([...removed, ...changed])
}

/** JSON with sorted object members, so that equal values have equal texts. */
export function canonicalJson(value: JsonValue): string {
  return JSON.stringify(value, (_name, member: JsonValue) =>
    isJsonObject(member) ? Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : 1))) : member,
  )
}

function isJsonObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
