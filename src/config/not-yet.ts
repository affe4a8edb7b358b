import { isDeepStrictEqual } from 'node:util'
import { type TSchema, type TSchemaOptions, Type } from 'typebox'
import { childPath, Problems } from './problems.ts'
import { isKeyed, read } from './read.ts'
import type { FileSettings } from './schema/file.ts'

/** A key whose feature is not built, and the values that work nevertheless (as `read` returns them); absent = its default. */
type NotYet = readonly [key: string, works?: readonly (string | number)[]]

/** Keys of the file that are in the schema but not built yet. Delete the line when you build one. */
export const NOT_YET_IN_FILE: readonly NotYet[] = [['proxy.accessLog.format']]

/** Adds a problem for each key in `settings`, as read by `schema`, that asks for a feature that is not built. */
export function refuseNotYet(
  table: readonly NotYet[],
  schema: TSchema,
  settings: unknown,
  path: string,
  problems: Problems,
): void {
  for (const [key, works] of table) {
    const keys = key.split('.')
    const value = keys.reduce<unknown>((inner, name) => (isKeyed(inner) ? inner[name] : undefined), settings)
    const at = keys.reduce(childPath, path)
    // A key is absent if its section is switched off or has a problem.
    if (value === undefined || problems.has(at)) continue
    const leaf = keys.reduce(property, schema)
    const fallback: unknown = (leaf as TSchemaOptions).default
    const allowed = works ?? [read(leaf, fallback, at, new Problems())]
    if (allowed.some((each) => isDeepStrictEqual(each, value))) continue
    problems.add(at, `not available yet; ${works ? `use ${works.join(' or ')}` : leaveIt(fallback)}`)
  }
}

/** Refuses TLS of listeners, which is not built yet. */
export function refuseListenNotYet(listen: FileSettings['proxy']['listen'], path: string, problems: Problems): void {
  for (const [index, { tls }] of [listen].flat().entries()) {
    const at = Array.isArray(listen) ? childPath(path, index) : path
    if (tls !== undefined) problems.add(childPath(at, 'tls'), 'not available yet; listen without it')
  }
}

function property(schema: TSchema, name: string): TSchema {
  if (Type.IsObject(schema)) return schema.properties[name] ?? Type.Never()
  return Type.IsUnion(schema) ? property(schema.anyOf.find(Type.IsObject) ?? Type.Never(), name) : Type.Never()
}

function leaveIt(fallback: unknown): string {
  return fallback === '' || typeof fallback === 'object' ? 'leave it out' : `leave it at ${String(fallback)}`
}
