import type { IncomingHttpHeaders } from 'node:http'
import { suggestsSecret } from '../model/secret-names.ts'
import type { HealthSpec } from '../model/spec.ts'
import { holds, type ValueTest, wanted } from '../model/value-test.ts'

const MAX_SHOWN = 60

/** The first header field of a response that is not as expected, in words; null = all are. */
export function headerProblem(
  headers: IncomingHttpHeaders,
  expected: Readonly<Record<string, ValueTest>>,
): string | null {
  for (const [name, test] of Object.entries(expected)) {
    const given = headers[name]
    const value = given === undefined ? null : String(given)
    if (holds(test, value)) continue
    if (suggestsSecret(name)) return `header ${name} is not as expected`
    return `header ${name} ${value === null ? 'is missing' : `is ${shown(value)}`}, expected ${wanted(test)}`
  }
  return null
}

/** The first value in a JSON text that is not as expected, in words; null = all are. */
export function jsonProblem(text: string, expected: NonNullable<HealthSpec['expectJson']>): string | null {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    return `the body is not JSON: ${shown(text)}`
  }
  for (const [pointer, test] of Object.entries(expected)) {
    const value = valueAt(json, pointer)
    if (typeof test === 'object' ? holdsFor(test, value) : value === test) continue
    const found = value === undefined ? 'is missing' : `is ${shown(value)}`
    return `JSON ${pointer === '' ? 'value' : pointer} ${found}, expected ${typeof test === 'object' ? wanted(test) : JSON.stringify(test)}`
  }
  return null
}

/** A condition on a text: other values only are there or not. */
function holdsFor(test: ValueTest, value: unknown): boolean {
  if (typeof value === 'string') return holds(test, value)
  if (value === undefined) return holds(test, null)
  const { present, ...onText } = test
  return present !== false && Object.keys(onText).length === 0
}

/** The value that a JSON pointer names, RFC 6901; undefined = there is none. */
function valueAt(json: unknown, pointer: string): unknown {
  let value = json
  for (const part of pointer.split('/').slice(1)) {
    const key = part.replaceAll('~1', '/').replaceAll('~0', '~')
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined
    value = (value as Readonly<Record<string, unknown>>)[key]
  }
  return value
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value)
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text
}
