import { own } from '../model/names.ts'
import type { JsonObject, JsonValue } from '../model/state.ts'
import { isPlain, withoutSecrets } from '../model/without-secrets.ts'

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
