import { createRequire, isBuiltin } from 'node:module'
import { dirname } from 'node:path'
import { pathToFileURL } from 'node:url'
import { types } from 'node:util'
import { compileFunction } from 'node:vm'
import { HOOK_NAMES, type HookName, type HooksModule, type HooksProblem, type HooksProgram } from '../model/hooks.ts'
import { NAMES } from './convert-module.ts'
import { runWithin, TookTooLong } from './run-within.ts'
import type { Hooks } from './types.ts'

const STRICT = "'use strict';"
/**
 * Max time for the code at the top of all modules: less than that after which a process counts as hung and is replaced, and
 * enough for large packages on a busy machine.
 */
const MAX_RUN_MS = 5_000
/** Hooks whose results are used at once. */
const SYNCHRONOUS: readonly HookName[] = HOOK_NAMES.filter((name) => name !== 'request')

type Exports = Readonly<Record<string, unknown>>

/** Runs the modules of a program, and returns its hooks. Takes `MAX_RUN_MS` at most. */
export function runProgram(program: HooksProgram): Hooks | HooksProblem {
  const entry = program.modules.at(-1)?.file ?? ''
  const all = new Map<string, Exports>()
  let current = entry
  try {
    runWithin(MAX_RUN_MS, () => {
      for (const module of program.modules) {
        current = module.file
        all.set(current, run(module, all))
      }
    })
  } catch (error) {
    if (error instanceof MissingExport) return { place: error.place, message: error.message }
    if (error instanceof TookTooLong) {
      const message = `was not loaded within ${MAX_RUN_MS / 1_000} s; look for a loop without an end at its top, or in what it imports`
      return { place: current, message }
    }
    return { place: placeOf(error, program) ?? entry, message: messageOf(error) }
  }
  return hooksIn(all.get(entry) ?? {}, program)
}

/** `file:line` in a program where an error was thrown; null = not in its files. */
export function placeOf(error: unknown, { modules }: HooksProgram): string | null {
  const stack = textOf(() => (error instanceof Error ? String(error.stack) : ''))
  for (const line of stack.split('\n')) {
    const [, file = '', number = ''] = /(?:^|\(|at )(\/[^:]*):(\d+)/.exec(line) ?? []
    if (modules.some((module) => module.file === file)) return `${file}:${number}`
  }
  return null
}

/** The place where a hook is defined, as far as it can be told. */
export function placeOfHook(name: string, { modules, lines }: HooksProgram): string {
  const known: Readonly<Record<string, number>> = lines
  const line = known[name] ?? known.default
  return `${modules.at(-1)?.file ?? ''}${line === undefined ? '' : `:${line}`}`
}

/** The text of whatever was thrown, on one line. */
export function messageOf(error: unknown): string {
  const text = textOf(() => (error instanceof Error ? `${error.name}: ${error.message}` : `threw ${String(error)}`))
  return (text.split('\n')[0] ?? '').slice(0, 500)
}

/** The text of something thrown, which may have none, such as `Object.create(null)`. */
function textOf(read: () => string): string {
  try {
    return read()
  } catch {
    return 'threw an object'
  }
}

class MissingExport extends Error {
  override name = 'MissingExport'
  readonly place: string

  constructor(place: string, message: string) {
    super(message)
    this.place = place
  }
}

function run({ file, code, imports }: HooksModule, others: ReadonlyMap<string, Exports>): Exports {
  const require = createRequire(file)
  const url = pathToFileURL(file).href
  const load = (specifier: string): Promise<unknown> =>
    import(isBuiltin(specifier) ? specifier : pathToFileURL(require.resolve(specifier)).href)
  const meta = { url, filename: file, dirname: dirname(file) }
  const values = imports.map(({ from, name, line }) => {
    const own = others.get(from)
    if (own !== undefined) return exported(own, name, `${file}:${line}`)
    const loaded: unknown = isBuiltin(from) ? process.getBuiltinModule(from) : require(from)
    // Of CommonJS, all that is exported is the default export.
    if (!types.isModuleNamespaceObject(loaded) && (name === 'default' || name === '*')) return loaded
    return exported(loaded as Exports, name, `${file}:${line}`)
  })
  const names = [NAMES.load, NAMES.meta, ...imports.map(({ local }) => local)]
  const body = compileFunction(STRICT + code, names, { filename: file, columnOffset: -STRICT.length })
  return body.call(undefined, load, meta, ...values) as Exports
}

function exported(exports: Exports, name: string, place: string): unknown {
  if (name === '*') return exports
  if (name === '**') return Object.fromEntries(Object.entries(exports).filter(([key]) => key !== 'default'))
  if (name in Object(exports)) return exports[name]
  throw new MissingExport(place, `the imported file exports no ${name}; write "import type" for types`)
}

/** Checks the default export of a hooks file. */
function hooksIn({ default: given }: Exports, program: HooksProgram): Hooks | HooksProblem {
  const at = (name: string): string => placeOfHook(name, program)
  if (typeof given !== 'object' || given === null)
    return { place: at('default'), message: 'has no object of hooks as its default export: export default { … }' }
  const names: readonly string[] = HOOK_NAMES
  const unknown = Object.keys(given).find((key) => !names.includes(key))
  if (unknown !== undefined)
    return { place: at(unknown), message: `there is no hook ${JSON.stringify(unknown)}; there are ${names.join(', ')}` }
  const hooks = given as Readonly<Record<string, unknown>>
  for (const name of names)
    if (hooks[name] !== undefined && typeof hooks[name] !== 'function')
      return { place: at(name), message: `${name} must be a function` }
  const asynchronous = SYNCHRONOUS.find((name) => types.isAsyncFunction(hooks[name]))
  if (asynchronous !== undefined)
    return { place: at(asynchronous), message: `${asynchronous} is async; only request may return a promise` }
  return given as Hooks
}
