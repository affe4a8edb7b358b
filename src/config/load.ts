import { isDeepStrictEqual } from 'node:util'
import { type Document, isScalar, LineCounter, parseDocument, type Scalar, visit, type YAMLError } from 'yaml'
import { type CheckedConfig, checkConfig } from './check-config.ts'
import type { Problem } from './config.ts'
import { type Environment, interpolate } from './interpolate.ts'
import { plain } from './plain.ts'
import { Problems, quote } from './problems.ts'
import { isKeyed } from './read.ts'
import { BeingWritten, readSettled } from './read-settled.ts'

/** Max expansions of one anchor; `interpolate` limits the number of values that result. */
const MAX_ALIAS_COUNT = 10_000

/** Max syntax errors to report: later ones mostly follow from the first. */
const MAX_SYNTAX_PROBLEMS = 3

/**
 * Reads and checks a configuration file, YAML 1.2 or JSON. A file that cannot be read, or that never stops changing, is
 * reported as a problem, too.
 */
export async function loadConfig(file: string, env: Environment): Promise<CheckedConfig> {
  let text: string
  try {
    text = await readSettled(file)
  } catch (error) {
    if (error instanceof BeingWritten)
      return {
        ok: false,
        problems: [{ path: '', message: `${file} is being written; read it again (SIGHUP) afterwards` }],
      }
    return { ok: false, problems: [{ path: '', message: `cannot read ${file}: ${reason(error)}` }] }
  }
  return parseConfig(text, env, file)
}

/** Like loadConfig, for the text of a file; `file`: its name in messages. */
export function parseConfig(text: string, env: Environment, file: string): CheckedConfig {
  const parsed = parseYaml(text, file)
  return parsed.ok ? checkRaw(parsed.value ?? {}, env) : parsed
}

/** Checks a configuration that a program has built, in the shape of a file. */
export function checkObject(config: unknown, env: Environment): CheckedConfig {
  const problems = new Problems()
  const copy = plain(config, '', problems)
  return problems.list.length > 0 ? { ok: false, problems: problems.list } : checkRaw(copy, env)
}

function checkRaw(given: unknown, env: Environment): CheckedConfig {
  // Keys with x- only hold anchors, whose values are checked where they are used.
  const raw = isKeyed(given)
    ? Object.fromEntries(Object.entries(given).filter(([key]) => !key.startsWith('x-')))
    : given
  const { value, problems } = interpolate(raw, env)
  const checked = checkInterpolated(value, (asScalars) => interpolate(raw, env, asScalars).value)
  if (problems.length === 0) return checked
  const unset = new Set(problems.map(({ path }) => path))
  const others = checked.ok ? [] : checked.problems.filter(({ path }) => !unset.has(path))
  return { ok: false, problems: [...problems, ...others] }
}

/** Checks again with references as scalars where text did not fit, such as `weight: ${W}`, which needs a number. */
function checkInterpolated(value: unknown, again: (asScalars: ReadonlySet<string>) => unknown): CheckedConfig {
  const asText = checkConfig(value)
  if (asText.ok) return asText
  const withScalars = again(new Set(asText.problems.map(({ path }) => path)))
  return isDeepStrictEqual(withScalars, value) ? asText : checkConfig(withScalars)
}

type Parsed =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly problems: readonly Problem[] }

function parseYaml(text: string, file: string): Parsed {
  try {
    const lines = new LineCounter()
    const document = parseDocument(text, {
      merge: true,
      prettyErrors: false,
      logLevel: 'error',
      lineCounter: lines,
      // wrongKeys finds duplicates; the parser would compare each key with all before it.
      uniqueKeys: false,
    })
    const all = [...document.errors, ...document.warnings]
    const references = all.flatMap((error) => unquotedReference(text, error))
    // Further errors follow from these.
    const wrong =
      references.length > 0 ? references : all.map((error) => ({ at: error.pos[0], message: explain(error) }))
    const problems = wrong.slice(0, MAX_SYNTAX_PROBLEMS).map(({ at, message }): Problem => {
      const { line, col } = lines.linePos(at)
      return { path: '', message: `${file}:${line}:${col}: ${message}` }
    })
    problems.push(...wrongKeys(document, lines, file))
    if (problems.length > 0) return { ok: false, problems }
    return { ok: true, value: document.toJS({ maxAliasCount: MAX_ALIAS_COUNT }) }
  } catch (error) {
    // The parser throws for unknown and excessive aliases, and if nesting exhausts its stack.
    return { ok: false, problems: [{ path: '', message: `${file}: ${reason(error)}` }] }
  }
}

/**
 * Finds duplicate keys of a mapping, and keys that YAML reads as numbers that are written differently: `1.10` would become
 * 1.1.
 */
function wrongKeys(document: Document, lines: LineCounter, file: string): Problem[] {
  const problems: Problem[] = []
  const add = (key: Scalar, message: string): void => {
    const { line, col } = lines.linePos(key.range?.[0] ?? 0)
    problems.push({ path: '', message: `${file}:${line}:${col}: ${message}` })
  }
  visit(document, {
    Map: (_key, { items }) => {
      const seen = new Set<unknown>()
      for (const { key } of items) {
        if (!isScalar(key)) continue
        if (seen.has(key.value)) add(key, `key ${quote(String(key.value))} is there twice`)
        seen.add(key.value)
      }
    },
    Pair: (_key, { key }) => {
      if (!isScalar(key) || typeof key.value !== 'number' || key.source === String(key.value)) return
      add(key, `the key ${key.source} is read as the number ${key.value}; put it in quotes: "${key.source}"`)
    },
  })
  return problems.slice(0, MAX_SYNTAX_PROBLEMS)
}

/** The problem of an unquoted `${NAME}` inside { } or [ ], where YAML reads its brace as a mapping; none for other errors. */
function unquotedReference(text: string, { pos: [brace] }: YAMLError): { at: number; message: string }[] {
  const [, name] = /^\$\{(\w+)/.exec(text.slice(brace - 1, brace + 100)) ?? []
  if (name === undefined) return []
  const message = `put the value with \${${name}…} in quotes; inside { } and [ ], YAML reads its brace as a mapping`
  return [{ at: brace - 1, message }]
}

function explain(error: YAMLError): string {
  if (error.code === 'MULTIPLE_DOCS') return 'only one document may be in the file'
  return withoutSource(error.message)
}

/** Removes the excerpt of the file at the end of the parser's message, which may contain a password. */
function withoutSource(message: string): string {
  return message.replace(/(alias\)?|extra characters|tag|token|stream): .*$/s, '$1')
}

function reason(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return 'code' in error && error.code === 'ENOENT' ? 'there is no such file' : withoutSource(error.message)
}
