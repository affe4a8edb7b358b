import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The project's folder. */
export const root = fileURLToPath(new URL('../..', import.meta.url))
export const binFolder = join(root, 'node_modules/.bin')
/** For Node's compile cache. */
export const compiledFolder = join(root, 'node_modules/.cache/compiled')
/** The Node that package-lock.json pins. */
export const pinnedNode = join(binFolder, 'node')

/** The first file of that name on a search path, or undefined. */
export function findOnPath(name, path = process.env.PATH ?? '') {
  return path
    .split(delimiter)
    .map((folder) => join(folder, name))
    .find((file) => existsSync(file))
}
