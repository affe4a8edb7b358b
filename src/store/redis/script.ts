import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'

/** A Lua script, by what it is called and what it says. */
export interface Script {
  readonly lua: string
  readonly sha: string
}

/** Reads a script that lies beside this file. */
export function script(file: string): Script {
  const lua = readFileSync(new URL(`lua/${file}`, import.meta.url), 'utf8')
  return { lua, sha: createHash('sha1').update(lua).digest('hex') }
}
