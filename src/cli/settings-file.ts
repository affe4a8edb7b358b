import { readFile } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import { parseDocument } from 'yaml'
import { Unusable } from './unusable.ts'

/** Reads a file, or standard input (`-`). Throws Unusable. */
export async function readText(path: string): Promise<string> {
  try {
    return path === '-' ? await text(process.stdin) : await readFile(path, 'utf8')
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    throw new Unusable(`cannot read ${path}: ${code === 'ENOENT' ? 'there is no such file' : message}`)
  }
}

/** Reads keys and values from a YAML or JSON file. Throws Unusable, with the places of all mistakes. */
export async function readSettings(path: string): Promise<Readonly<Record<string, unknown>>> {
  const document = parseDocument(await readText(path), { prettyErrors: true })
  if (document.errors.length > 0) {
    const places = document.errors.map(({ message, linePos }) => {
      const [at] = linePos ?? []
      return `${path}${at === undefined ? '' : `:${at.line}:${at.col}`}: ${message.split(' at line ')[0]}`
    })
    throw new Unusable(places.join('\n'))
  }
  const settings: unknown = document.toJS()
  if (typeof settings === 'object' && settings !== null && !Array.isArray(settings))
    return settings as Readonly<Record<string, unknown>>
  throw new Unusable(`${path}: expected keys and values, such as "strategy: canary"`)
}
