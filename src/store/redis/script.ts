import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'

/** A Lua script and its SHA-1, by which EVALSHA calls it. */
export interface Script {
  readonly lua: string
  readonly sha: string
}

/** Reads a script from the folder `lua` beside this file. `libraries`: files with functions that it uses. */
export function script(file: string, ...libraries: readonly string[]): Script {
  const parts = [...libraries, file].map((part) => readFileSync(new URL(`lua/${part}`, import.meta.url), 'utf8'))
  const lua = parts.join('')
  return { lua, sha: createHash('sha1').update(lua).digest('hex') }
}
