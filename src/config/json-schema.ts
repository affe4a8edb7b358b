import type { JsonObject, JsonValue } from '../model/state.ts'
import { isKeyed } from './read.ts'
import { FileSchema } from './schema/file.ts'

const ANNOTATIONS = ['description', 'default', 'errorMessage', 'writeOnly']
const COMPOSITES = ['anyOf', 'items', 'properties', 'patternProperties']
const INTERPOLATED = { $ref: '#/$defs/interpolated' }

/**
 * JSON Schema of the configuration file, for editors: the schema of the checks, extended by what `loadConfig` handles before
 * it checks, which is values from the environment and `x-` keys that hold anchors.
 */
export const jsonSchema: JsonObject = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  $id: 'urn:cutover:configuration',
  title: 'Cutover configuration',
  ...interpolatable(JSON.parse(JSON.stringify(FileSchema))),
  patternProperties: { '^x-': { description: 'Holds anchors; otherwise ignored.' } },
  $defs: { interpolated: { description: 'From the environment.', type: 'string', pattern: '\\$\\{' } },
}

/** The schema, in which every scalar may also come from the environment. */
function interpolatable(schema: JsonObject): JsonObject {
  const entries = Object.entries(schema)
  if (COMPOSITES.some((keyword) => keyword in schema)) {
    return Object.fromEntries(entries.map(([keyword, rule]) => [keyword, within(keyword, rule)]))
  }
  const rules = entries.filter(([keyword]) => !ANNOTATIONS.includes(keyword))
  // A schema that takes any text also takes a reference to the environment.
  if (schema.type === 'string' && rules.length === 1) return schema
  const annotations = entries.filter(([keyword]) => ANNOTATIONS.includes(keyword))
  return { ...Object.fromEntries(annotations), anyOf: [Object.fromEntries(rules), INTERPOLATED] }
}

function within(keyword: string, rule: JsonValue): JsonValue {
  if (keyword === 'anyOf' && Array.isArray(rule)) {
    const branches: readonly JsonObject[] = rule
    const isComposite = (branch: JsonObject) => COMPOSITES.some((each) => each in branch)
    return [...branches.map((branch) => (isComposite(branch) ? interpolatable(branch) : branch)), INTERPOLATED]
  }
  if (!isKeyed(rule) || !COMPOSITES.includes(keyword)) return rule
  const schemas = rule as Readonly<Record<string, JsonObject>>
  if (keyword === 'items') return interpolatable(rule as JsonObject)
  return Object.fromEntries(Object.entries(schemas).map(([name, schema]) => [name, interpolatable(schema)]))
}
