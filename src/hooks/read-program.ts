import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createRequire, isBuiltin, stripTypeScriptTypes } from 'node:module'
import { dirname, extname, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { HooksImport, HooksModule, HooksProblem, HooksProgram } from '../model/hooks.ts'
import { type ConvertedModule, convertModule, type FoundImport, UnreadableModule } from './convert-module.ts'

const TYPESCRIPT = new Set(['.ts', '.mts'])
/** Files that are read again with the hooks file that imports them. All others are left to Node, which keeps them. */
const READ = new Set([...TYPESCRIPT, '.js', '.mjs', '.json'])

/** Reads a hooks file and the files that it imports by their paths. `file`: relative to the current folder. */
export function readProgram(file: string): HooksProgram | HooksProblem {
  const entry = resolve(file)
  if (extname(entry) === '.json' || !READ.has(extname(entry)))
    return { place: file, message: 'must be a module: its name ends in .ts, .mts, .js or .mjs' }
  const reader = new ProgramReader()
  const problem = reader.read(entry, null)
  return problem ?? { id: randomUUID(), modules: reader.modules, lines: reader.entryLines }
}

export function isProblem(result: object): result is HooksProblem {
  return 'message' in result
}

class ProgramReader {
  readonly modules: HooksModule[] = []
  entryLines: ConvertedModule['lines'] = {}
  /** Files that are being read: each imports the next. */
  private readonly stack: string[] = []

  /** Reads a file and what it imports; null = without a problem. `at`: place of the import; null = it is the first one. */
  read(file: string, at: string | null): HooksProblem | null {
    if (this.modules.some((module) => module.file === file)) return null
    if (this.stack.includes(file))
      return { place: at ?? file, message: `imports ${file}, which imports this file; move what both need to a third` }
    let text: string
    try {
      text = readFileSync(file, 'utf8')
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException
      return { place: at ?? file, message: code === 'ENOENT' ? `there is no file ${file}` : message }
    }
    this.stack.push(file)
    const problem = extname(file) === '.json' ? this.addJson(file, text) : this.addModule(file, text)
    this.stack.pop()
    return problem
  }

  private addJson(file: string, text: string): HooksProblem | null {
    try {
      JSON.parse(text)
    } catch (error) {
      return { place: file, message: (error as Error).message }
    }
    this.modules.push({ file, code: `return { default: JSON.parse(${JSON.stringify(text)}) }`, imports: [] })
    return null
  }

  private addModule(file: string, text: string): HooksProblem | null {
    let converted: ConvertedModule
    try {
      converted = convertModule(TYPESCRIPT.has(extname(file)) ? withoutTypes(text) : text)
    } catch (error) {
      if (!(error instanceof UnreadableModule)) throw error
      return { place: `${file}:${error.line}`, message: error.message }
    }
    const imports: HooksImport[] = []
    for (const found of converted.imports) {
      const from = this.resolveImport(file, found)
      if (typeof from !== 'string') return from
      imports.push({ local: found.local, from, name: found.name, line: found.line })
    }
    this.modules.push({ file, code: converted.code, imports })
    this.entryLines = converted.lines
    return null
  }

  /** Resolves an import, and reads the file if it is one of this program. */
  private resolveImport(file: string, { specifier, line }: FoundImport): string | HooksProblem {
    const place = `${file}:${line}`
    if (isBuiltin(specifier)) return specifier
    let path: string | null
    let found: string
    try {
      path = pathOf(specifier, file)
      if (path === null || !READ.has(extname(path))) found = createRequire(file).resolve(path ?? specifier)
      else found = path
    } catch (error) {
      const [message = ''] = (error as Error).message.split('\n')
      return { place, message: `${message}; packages are loaded as by require()` }
    }
    if (path === null || !READ.has(extname(found))) return path ?? specifier
    // Node finds lib.js for ./lib, and would keep it.
    if (found !== path) return { place, message: `there is no file ${path}; is ${found} meant?` }
    return this.read(path, place) ?? path
  }
}

/** The path of a file that is imported by it; null = it is a package. Throws for the address of a file elsewhere. */
function pathOf(specifier: string, importer: string): string | null {
  if (specifier.startsWith('file:')) return fileURLToPath(specifier)
  return /^\.{0,2}\//.test(specifier) ? resolve(dirname(importer), specifier) : null
}

/** Removes types as Node does, which leaves every line and column in its place. Throws UnreadableModule. */
function withoutTypes(text: string): string {
  const { emitWarning } = process
  // Node warns once that the function is experimental; its version is pinned here.
  process.emitWarning = () => undefined
  try {
    return stripTypeScriptTypes(text)
  } catch (error) {
    const { message, stack = '' } = error as Error
    throw new UnreadableModule(message, Number(/^:(\d+)/.exec(stack)?.[1] ?? 1))
  } finally {
    process.emitWarning = emitWarning
  }
}
