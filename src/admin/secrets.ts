import { HIDDEN } from '../config/shown.ts'
import { own } from '../model/names.ts'
import { suggestsSecret } from '../model/secret-names.ts'
import type { JsonObject, JsonValue } from '../model/state.ts'

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

/**
 * Restores the secrets of a definition, or a part of one, that was read and is written back, from `known`. In other places
 * `(hidden)` stays, and the check refuses it.
 */
export function withSecretsOf(given: JsonObject, known: JsonObject | undefined): JsonObject {
  return known === undefined ? given : (restored(given, withoutSecrets(known), known) as JsonObject)
}

/** `shown`: `known` without its secrets. */
function restored(given: JsonValue, shown: JsonValue, known: JsonValue): JsonValue {
  if (typeof given === 'string') return given === shown ? known : given
  if (!isPlain(given) || !isPlain(shown) || !isPlain(known)) return given
  const entries = Object.entries(given).map(([key, inner]): [string, JsonValue] => {
    const [shownInner, knownInner] = [own(shown, key), own(known, key)]
    const isKnown = shownInner !== undefined && knownInner !== undefined
    return [key, isKnown ? restored(inner, shownInner, knownInner) : inner]
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

function isPlain(value: JsonValue): value is JsonObject {
  return typeof value === 'object' && value !== null && !isList(value)
}

function isList(value: JsonValue): value is readonly JsonValue[] {
  return Array.isArray(value)
}
