import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'

/** A Lua script and its SHA-1, by which EVALSHA calls it. */
export interface Script {
  readonly lua: string
  readonly sha: string
}

/** Reads a script from the folder `lua` beside this file. */
export function script(file: string): Script {
  const lua = readFileSync(new URL(`lua/${file}`, import.meta.url), 'utf8')
  return { lua, sha: createHash('sha1').update(lua).digest('hex') }
}
