import type { Problem } from './config.ts'
import { childPath, Problems } from './problems.ts'
import { isKeyed } from './read.ts'

export type Environment = Readonly<Record<string, string | undefined>>

/** Matches `$$`, `${NAME}`, `${NAME:-default}`, or a `${` that begins none of these. */
const REFERENCE = /\$\$|\$\{(?<name>[A-Za-z_]\w*)(?::-(?<fallback>(?:[^}$]|\$(?!\{))*))?\}|\$\{/g
const MAX_DEPTH = 64
/** More values than any reasonable file has after its aliases are expanded. */
const MAX_VALUES = 1_000_000

/**
 * Replaces references to the environment in the strings of a parsed file, so that no value can change its structure:
 * `${NAME}`, `${NAME:-default}` for a variable that is unset or empty, `$$` for one `$`. The result is always text,
 * except where a whole scalar is one reference and its path is in `asScalars`: there it is read as a plain YAML
 * scalar (`2` as a number, `true`, `null`). Aliases are expanded, so nothing may contain itself.
 */
export function interpolate(
  raw: unknown,
  env: Environment,
  asScalars: ReadonlySet<string> = new Set(),
): { readonly value: unknown; readonly problems: readonly Problem[] } {
  const problems = new Problems()
  let count = 0
  const visit = (value: unknown, path: string, around: readonly unknown[]): unknown => {
    count += 1
    if (count === MAX_VALUES) problems.add('', 'has too many values after its aliases are expanded')
    if (count >= MAX_VALUES) return null
    if (typeof value === 'string') {
      const text = substitute(value, env, (message) => problems.add(path, message))
      return asScalars.has(path) && isOneReference(value) ? plainScalar(text) : text
    }
    if (!isKeyed(value) && !Array.isArray(value)) return value
    if (around.includes(value)) problems.add(path, 'contains itself through an alias')
    else if (around.length === MAX_DEPTH) problems.add(path, `is nested more than ${MAX_DEPTH} levels deep`)
    else {
      const inside = [...around, value]
      if (Array.isArray(value)) return value.map((item, index) => visit(item, childPath(path, index), inside))
      return Object.fromEntries(
        Object.entries(value).map(([key, item]) => [key, visit(item, childPath(path, key), inside)]),
      )
    }
    return null
  }
  return { value: visit(raw, '', []), problems: problems.list }
}

function substitute(text: string, env: Environment, complain: (message: string) => void): string {
  return text.replace(REFERENCE, (match, ...details) => {
    if (match === '$$') return '$'
    const { name, fallback }: Readonly<Record<string, string | undefined>> = details.at(-1)
    const value = name !== undefined && Object.hasOwn(env, name) ? env[name] : undefined
    if (name === undefined) complain(`has a \${ that is not \${NAME} or \${NAME:-default}; write $$ for a plain $`)
    else if (value === undefined && fallback === undefined)
      complain(`needs the environment variable ${name}, which is not set`)
    return (fallback === undefined ? value : value || fallback) ?? match
  })
}

function isOneReference(text: string): boolean {
  return /^\$\{[^}]*\}$/.test(text)
}

/** Reads a plain scalar by the core schema of YAML 1.2 §10.3.2, without octal, hexadecimal, infinity and NaN. */
function plainScalar(text: string): string | number | boolean | null {
  // An empty text is not null: a variable that is set but empty is a mistake, not a request for the default.
  if (/^(null|~)$/i.test(text)) return null
  if (/^(true|false)$/i.test(text)) return text.toLowerCase() === 'true'
  return /^[-+]?(\.\d+|\d+(\.\d*)?)(e[-+]?\d+)?$/i.test(text) ? Number(text) : text
}
