import { createRequire } from 'node:module'
import { createContext, Script } from 'node:vm'

const { cache } = createRequire(import.meta.url)
/** Node limits the time of scripts only, so a script makes the call. */
const CALL = new Script('run()')

/** Code was stopped because it took too long. */
export class TookTooLong extends Error {
  override name = 'TookTooLong'
}

/** Calls a function. After `maxMs`, it is stopped wherever it is, even in a loop without an end: throws TookTooLong. */
export function runWithin<T>(maxMs: number, run: () => T): T {
  const before = new Set(Object.keys(cache))
  try {
    return CALL.runInContext(createContext({ run }), { timeout: maxMs }) as T
  } catch (error) {
    if ((error as { code?: unknown } | null)?.code !== 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw error
    // A package that was being loaded stays half loaded in Node's cache, since no `finally` runs.
    for (const file of Object.keys(cache)) if (!before.has(file) && cache[file]?.loaded === false) delete cache[file]
    throw new TookTooLong(`stopped after ${maxMs} ms`)
  }
}
