import type { JsonObject, JsonValue } from '../model/state.ts'

const HIDDEN = '(hidden)'
/** Header fields that carry credentials, such as a probe may need. */
const SECRET = /auth|cookie|key|password|secret|session|signature|token/i

/** A definition, or a part of one, as it may be shown: without the values of header fields that carry credentials. */
export function withoutSecrets(value: JsonValue): JsonValue {
  if (isList(value)) return value.map(withoutSecrets)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).map(([key, inner]): [string, JsonValue] => {
    const isFields = (key === 'headers' || key === 'set') && isPlain(inner)
    return [key, withoutSecrets(isFields ? hidden(inner) : inner)]
  })
  return Object.fromEntries(entries)
}

function hidden(fields: JsonObject): JsonObject {
  const entries = Object.entries(fields).map(([name, value]): [string, JsonValue] => {
    return [name, typeof value === 'string' && SECRET.test(name) ? HIDDEN : value]
  })
  return Object.fromEntries(entries)
}

function isPlain(value: JsonValue): value is JsonObject {
  return typeof value === 'object' && value !== null && !isList(value)
}

function isList(value: JsonValue): value is readonly JsonValue[] {
  return Array.isArray(value)
}
