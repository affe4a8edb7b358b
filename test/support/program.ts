import { fileURLToPath } from 'node:url'

/** The program as in the package: bundled, since it starts in half the time. `node PROGRAM run --config FILE`. */
export const PROGRAM = fileURLToPath(new URL('../../dist/main.js', import.meta.url))
