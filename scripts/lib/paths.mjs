import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Root folder of the project. */
export const root = fileURLToPath(new URL('../..', import.meta.url))
export const binFolder = join(root, 'node_modules/.bin')
/** Folder for Node's compile cache. */
export const compiledFolder = join(root, 'node_modules/.cache/compiled')
/** Executable of the Node version that package-lock.json pins. */
export const pinnedNode = join(binFolder, 'node')

/** Finds the first file of that name on a search path; undefined = none. */
export function findOnPath(name, path = process.env.PATH ?? '') {
  return path
    .split(delimiter)
    .map((folder) => join(folder, name))
    .find((file) => existsSync(file))
}
