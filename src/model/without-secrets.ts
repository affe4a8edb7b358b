import { HIDDEN, suggestsSecret } from './secret-names.ts'
import type { JsonObject, JsonValue } from './state.ts'

/** Keys of definitions whose members are header fields or cookies by name. */
const FIELDS: ReadonlySet<string> = new Set(['headers', 'set', 'header', 'cookie'])
const PARAMETER = /([?&][^?&=]*=)[^&]+/g

/**
 * Hides secrets of a definition, or a part of one: the values of a probe's header fields, of other header fields whose
 * names suggest credentials, and of such query parameters in a probe's path.
 */
export function withoutSecrets(value: JsonValue): JsonValue {
  if (isList(value)) return value.map(withoutSecrets)
  if (!isPlain(value)) return value
  const entries = Object.entries(value).map(([key, inner]): [string, JsonValue] => {
    if (key === 'health' && isPlain(inner)) return [key, probeWithoutSecrets(inner)]
    const isFields = FIELDS.has(key) && isPlain(inner)
    return [key, withoutSecrets(isFields ? hidden(inner, suggestsSecret) : inner)]
  })
  return Object.fromEntries(entries)
}

/** Hides all header fields of a probe, since their names do not tell which are secret. */
function probeWithoutSecrets(health: JsonObject): JsonObject {
  const entries = Object.entries(health).map(([key, inner]): [string, JsonValue] => {
    if (key === 'headers' && isPlain(inner)) return [key, hidden(inner, () => true)]
    if (key === 'path' && typeof inner === 'string') return [key, withoutSecretParameters(inner)]
    return [key, inner]
  })
  return Object.fromEntries(entries)
}

function withoutSecretParameters(path: string): string {
  return path.replace(PARAMETER, (parameter, name: string) => (suggestsSecret(name) ? `${name}${HIDDEN}` : parameter))
}

function hidden(fields: JsonObject, isSecret: (name: string) => boolean): JsonObject {
  const entries = Object.entries(fields).map(([name, value]): [string, JsonValue] => {
    return [name, typeof value === 'string' && isSecret(name) ? HIDDEN : value]
  })
  return Object.fromEntries(entries)
}

/** Whether a JSON value is an object. */
export function isPlain(value: JsonValue): value is JsonObject {
  return typeof value === 'object' && value !== null && !isList(value)
}

function isList(value: JsonValue): value is readonly JsonValue[] {
  return Array.isArray(value)
}
