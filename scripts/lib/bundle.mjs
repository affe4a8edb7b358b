import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { runNode } from './child.mjs'
import { Failure } from './failure.mjs'
import { root } from './paths.mjs'

/** Bundles src/ into dist/ unless dist/ is newer than all that it is made of, or there is no src/. */
export async function ensureBundle() {
  // The bundler writes lua/ last.
  await ensure('src/ could not be bundled into dist/', ['src'], 'dist/lua', 'scripts/bundle.mjs')
}

/** Builds the dashboard into dist/dashboard/ unless that is newer than all that it is made of, or there is no dashboard/. */
export async function ensureDashboard() {
  const sources = ['dashboard', 'src/client']
  await ensure('the dashboard could not be built', sources, 'dist/dashboard/index.html', 'scripts/dashboard.mjs')
}

/** Runs a script of this project unless `result` is newer than the folders `sources`, the packages and the script. */
async function ensure(failure, sources, result, script) {
  const folders = sources.map((folder) => join(root, folder))
  if (!folders.every(existsSync)) return
  // Folders, too: their times tell what was removed.
  const files = folders.flatMap((folder) =>
    ['', ...readdirSync(folder, { recursive: true })].map((file) => join(folder, file)),
  )
  const newest = Math.max(...[...files, join(root, 'package-lock.json'), join(root, script)].map(changedAt))
  if (changedAt(join(root, result)) > newest) return
  const { code } = await runNode([join(root, script)])
  if (code !== 0) throw new Failure(`${failure} (exit code ${code})`, code)
}

function changedAt(path) {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0
}
