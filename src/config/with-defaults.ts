import { type TSchema, type TSchemaOptions, Type } from 'typebox'
import { Value } from 'typebox/value'
import { isFields } from '../model/shape.ts'
import type { JsonObject, JsonValue } from '../model/state.ts'
import { missingSplit } from './check-service.ts'
import { ServiceSchema } from './schema/service.ts'

/**
 * Writes every default into a valid definition of a service, in the words and units of the configuration. The result means
 * the same, and can be written back.
 */
export function withDefaults(definition: JsonObject): JsonObject {
  const whole = filled(ServiceSchema, definition) as JsonObject
  const pools = Object.entries(whole.pools as Readonly<Record<string, JsonObject>>)
  const named = pools.map(([name, { version = name, servers = {} }]) => {
    const long = Object.entries(servers as JsonObject).map(([server, given]) => [server, longServer(given)])
    return [name, { version, servers: Object.fromEntries(long) as JsonObject }]
  })
  const only = missingSplit(whole) === null ? pools.map(([name]) => [name, 100]) : []
  const split = whole.split ?? (Object.fromEntries(only) as JsonObject)
  return { ...whole, pools: Object.fromEntries(named) as JsonObject, split }
}

/** Expands a server that is written as its address alone. */
function longServer(given: JsonValue): JsonValue {
  return typeof given === 'string' ? { url: given, weight: 1, backup: false } : given
}

function filled(schema: TSchema, value: JsonValue): JsonValue {
  if (Type.IsCodec(schema)) return value
  if (Type.IsUnion(schema)) {
    const branch = schema.anyOf.find((each) => Value.Check(each, value))
    return branch === undefined ? value : filled(branch, value)
  }
  if (Type.IsObject(schema) && isFields(value)) {
    const entries = Object.entries(schema.properties).flatMap(([key, property]): [string, JsonValue][] => {
      const written = value[key]
      // Null means the default, unless the schema allows it.
      const isAbsent = written === undefined || (written === null && !Value.Check(property, null))
      const given = isAbsent ? defaultOf(property) : written
      return given === undefined ? [] : [[key, filled(property, given)]]
    })
    return Object.fromEntries(entries)
  }
  if (Type.IsRecord(schema) && isFields(value)) {
    const [item = Type.Unknown()] = Object.values(schema.patternProperties)
    return Object.fromEntries(Object.entries(value).map(([name, entry]) => [name, filled(item, entry)]))
  }
  return value
}

function defaultOf(schema: TSchema): JsonValue | undefined {
  return (schema as TSchemaOptions & { readonly default?: JsonValue }).default
}
