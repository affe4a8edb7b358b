import { type StaticDecode, type TObject, type TSchema, type TSchemaOptions, type TUnion, Type } from 'typebox'
import { Value } from 'typebox/value'
import { own } from '../model/names.ts'
import { childPath, nearest, Problems, quote, suggestion } from './problems.ts'

type Keyed = Readonly<Record<string, unknown>>

/**
 * Reads `value` by `schema`, fills in defaults (also for null, unless the schema allows it) and resolves units. Each value
 * that does not fit is added to `problems` once, with its path, and left out of the result, which is complete only without
 * problems. A walk of our own, since a validator explains a failed union by listing the errors of every branch.
 */
export function read<S extends TSchema>(schema: S, value: unknown, path: string, problems: Problems): StaticDecode<S> {
  return visit(schema, value, path, problems) as StaticDecode<S>
}

/** Whether a value is a mapping of keys to values. */
export function isKeyed(value: unknown): value is Keyed {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function visit(schema: TSchema, value: unknown, path: string, problems: Problems): unknown {
  if (Type.IsUnion(schema) && !Type.IsCodec(schema)) return visitUnion(schema, value, path, problems)
  if (Type.IsObject(schema) && isKeyed(value)) return visitObject(schema, value, path, problems)
  if (Type.IsRecord(schema) && isKeyed(value)) {
    const [pattern = '', item = Type.Unknown()] = Object.entries(schema.patternProperties)[0] ?? []
    const complaint = `cannot be a name; ${option(schema, 'nameMessage')}`
    return visitRecord(new RegExp(pattern), item, complaint, value, path, problems)
  }
  if (Type.IsArray(schema) && Array.isArray(value)) {
    if (value.length < Number(option(schema, 'minItems') ?? 0)) problems.add(path, 'must not be empty')
    return value.map((item, index) => visit(schema.items, item, childPath(path, index), problems))
  }
  return visitLeaf(schema, value, path, problems)
}

function visitObject(schema: TObject, value: Keyed, path: string, problems: Problems): Keyed {
  if (Object.keys(value).length < Number(option(schema, 'minProperties') ?? 0)) problems.add(path, 'must not be empty')
  const known = Object.keys(schema.properties)
  for (const key of Object.keys(value)) {
    if (Object.hasOwn(schema.properties, key)) continue
    const hint = problems.areEnough ? '' : suggestion(key, known) || ` (known: ${known.join(', ')})`
    problems.add(childPath(path, key), `unknown key ${quote(key)}${hint}`)
  }
  return Object.fromEntries(
    Object.entries(schema.properties).flatMap(([key, property]): [string, unknown][] => {
      const written = own(value, key)
      const isAbsent = written === undefined || (written === null && !Value.Check(property, null))
      if (isAbsent) {
        const value = defaultOf(property)
        if (value !== undefined) return [[key, value]]
      }
      const at = childPath(path, key)
      if (!isAbsent) return [[key, visit(property, written, at, problems)]]
      if (!Type.IsOptional(property)) problems.add(at, `is missing; ${expectation(property)}`)
      return []
    }),
  )
}

/** Defaults by schema, since thousands of definitions consist mostly of the same ones. */
const defaults = new WeakMap<TSchema, unknown>()

/** The default of a schema, read by that schema; undefined if it has none. */
function defaultOf(schema: TSchema): unknown {
  if (defaults.has(schema)) return defaults.get(schema)
  const written = option(schema, 'default')
  const value = written === undefined ? undefined : visit(schema, written, '', new Problems())
  defaults.set(schema, value)
  return value
}

function visitRecord(
  names: RegExp,
  item: TSchema,
  complaint: string,
  value: Keyed,
  path: string,
  problems: Problems,
): Keyed {
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, entry]): [string, unknown][] => {
      const at = childPath(path, name)
      const fits = names.test(name)
      if (!fits) problems.add(at, complaint)
      const result = visit(item, entry, at, problems)
      return fits ? [[name, result]] : []
    }),
  )
}

function visitUnion(schema: TUnion, value: unknown, path: string, problems: Problems): unknown {
  const meant = schema.anyOf.find((branch) => Value.Check(branch, value)) ?? meantBranch(schema, value)
  return meant ? visit(meant, value, path, problems) : visitLeaf(schema, value, path, problems)
}

/** The branch of a union for which a value that fits none was probably meant; undefined if that is unclear. */
function meantBranch(schema: TUnion, value: unknown): TSchema | undefined {
  const [only, ...others] = schema.anyOf.filter((branch) => isAlike(branch, value))
  if (only === undefined || others.length === 0) return only
  const ranked = [only, ...others].map((branch) => ({ branch, score: keysInCommon(branch, value) }))
  const best = ranked.reduce((a, b) => (b.score > a.score ? b : a))
  return ranked.some(({ branch, score }) => branch !== best.branch && score === best.score) ? undefined : best.branch
}

function visitLeaf(schema: TSchema, value: unknown, path: string, problems: Problems): unknown {
  if (Value.Check(schema, value)) return Type.IsCodec(schema) ? schema['~codec'].decode(value) : value
  problems.add(path, mismatch(schema, value))
  return undefined
}

/** Whether a value has the kind of this branch of a union (a list, a mapping), so that the branch's problems help. */
function isAlike(branch: TSchema, value: unknown): boolean {
  if (Type.IsArray(branch)) return Array.isArray(value)
  return (Type.IsObject(branch) || Type.IsRecord(branch)) && isKeyed(value)
}

/** The number of keys of `value` that the branch of a union knows; a misspelt key counts half. */
function keysInCommon(branch: TSchema, value: unknown): number {
  if (!Type.IsObject(branch) || !isKeyed(value)) return 0
  const known = Object.keys(branch.properties)
  const scores = Object.keys(value).map((key): number => {
    if (own(branch.properties, key) !== undefined) return 1
    return nearest(key, known) === undefined ? 0 : 0.5
  })
  return scores.reduce((sum, score) => sum + score, 0)
}

function mismatch(schema: TSchema, value: unknown): string {
  const explain = option(schema, 'explain')
  const explained = typeof explain === 'function' && typeof value === 'string' ? explain(value) : undefined
  if (explained !== undefined) return explained
  const choices = choicesOf(schema)
  if (choices.length > 0 && typeof value === 'string' && option(schema, 'errorMessage') === undefined) {
    return `unknown value ${quote(value)}${suggestion(value, choices)} (${choices.join(', ')})`
  }
  // `writeOnly` marks secrets in JSON Schema, which logs and answers must not repeat.
  return option(schema, 'writeOnly') === true ? expectation(schema) : `${expectation(schema)}, got ${quote(value)}`
}

/** The expected value: the schema's own message, which editors show as well, or one for its kind. */
function expectation(schema: TSchema): string {
  const own = option(schema, 'errorMessage')
  if (typeof own === 'string') return own
  if (Type.IsArray(schema)) return 'expected a list'
  if (Type.IsBoolean(schema)) return 'expected true or false'
  const choices = choicesOf(schema)
  return choices.length > 0 ? `expected one of ${choices.join(', ')}` : 'expected keys and values'
}

type OptionName = 'default' | 'errorMessage' | 'explain' | 'minItems' | 'minProperties' | 'nameMessage' | 'writeOnly'

function choicesOf(schema: TSchema): readonly string[] {
  if (Type.IsEnum(schema)) return schema.enum.map(String)
  return Type.IsUnion(schema) ? schema.anyOf.flatMap(choicesOf) : []
}

function option(schema: TSchema, name: OptionName): unknown {
  return (schema as TSchemaOptions)[name]
}
