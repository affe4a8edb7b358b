import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { runNode } from './child.mjs'
import { Failure } from './failure.mjs'
import { root } from './paths.mjs'

const script = join(root, 'scripts/bundle.mjs')

/** Bundles src/ into dist/ unless dist/ is newer than all that it is made of, or there is no src/. */
export async function ensureBundle() {
  const src = join(root, 'src')
  if (!existsSync(src)) return
  // Folders, too: their times tell what was removed.
  const sources = ['', ...readdirSync(src, { recursive: true })].map((file) => join(src, file))
  const newest = Math.max(...[...sources, join(root, 'package-lock.json'), script].map(changedAt))
  // The bundler writes it last.
  if (changedAt(join(root, 'dist/lua')) > newest) return
  const { code } = await runNode([script])
  if (code !== 0) throw new Failure(`src/ could not be bundled into dist/ (exit code ${code})`, code)
}

function changedAt(path) {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0
}
