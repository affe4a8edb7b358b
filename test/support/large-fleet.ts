/**
 * Loaded into the processes of an instance before anything else (`--import`): a fleet of any size is a large one for them, in
 * which no instance sends its progress to the others, and a few changes are many, in whose place a summary is read.
 */
import { registerHooks } from 'node:module'
import { fileURLToPath } from 'node:url'

/** What is a constant of the program, and what it is here. */
const CHANGED = [
  [/const TOLD_UP_TO = \d+/, 'const TOLD_UP_TO = 0'],
  [/const MAX_CHANGES = \d+/, 'const MAX_CHANGES = 1'],
] as const

/** Environment of a process that is to load it. */
export const LARGE_FLEET = {
  NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ''} --import=${fileURLToPath(import.meta.url)}`,
}

registerHooks({
  load: (url, context, nextLoad) => {
    const loaded = nextLoad(url, context)
    const source = loaded.source?.toString() ?? ''
    if (!CHANGED.some(([constant]) => constant.test(source))) return loaded
    const changed = CHANGED.reduce((text, [constant, here]) => text.replace(constant, here), source)
    return { ...loaded, source: changed }
  },
})
