import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { run } from './child.mjs'
import { Failure } from './failure.mjs'
import { withLock } from './lock.mjs'
import { findOnPath, pinnedNode, root } from './paths.mjs'

const stamp = join(root, 'node_modules/.cutover-installed')

/** Makes `node_modules` what package-lock.json says, once however many ask at a time. Throws a `Failure` where it cannot. */
export async function ensureInstalled() {
  if (isInstalled()) return
  await withLock(join(root, '.cutover-install.lock'), async () => {
    if (isInstalled()) return
    if (!isInstalledByHand()) await npmCi()
    requirePinnedNode()
    writeFileSync(stamp, lockHash())
  })
}

function isInstalled() {
  return existsSync(pinnedNode) && readText(stamp) === lockHash()
}

/** Whether npm's own record of node_modules has every package of the lock file; optional ones may lack (other platforms). */
function isInstalledByHand() {
  const installed = readText(join(root, 'node_modules/.package-lock.json'))
  if (installed === undefined || !existsSync(pinnedNode)) return false
  const present = JSON.parse(installed).packages
  return Object.entries(lockedPackages()).every(
    ([path, entry]) => path === '' || entry.optional || present[path]?.integrity === entry.integrity,
  )
}

async function npmCi() {
  console.error('cutover: installing what package-lock.json says (npm ci), once; this takes a moment')
  // npm takes node_modules away before it fills it again: it must not itself run on the Node in there.
  const bare = (process.env.PATH ?? '')
    .split(delimiter)
    .filter((folder) => !/node_modules[\\/]\.bin[\\/]?$/.test(folder))
  const PATH = findOnPath('node', bare.join(delimiter)) ? bare.join(delimiter) : process.env.PATH
  const npm = findOnPath('npm', PATH)
  if (npm === undefined)
    throw new Failure('npm is not on the PATH. Install Node.js 20 or newer with npm, and try again.')
  const { code, interrupted } = await run(npm, ['ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, PATH },
  })
  if (interrupted) throw new Failure('the installation was interrupted; the next start begins it again.', code)
  if (code !== 0) throw new Failure(`npm ci failed (exit code ${code}, see above). Nothing was started.`)
}

/** An install script fetches the pinned Node: where npm was told to run none, or the platform has no build, it is not there. */
function requirePinnedNode() {
  const wanted = `v${lockedPackages()['node_modules/node']?.version}`
  const { stdout, stderr, error } = spawnSync(pinnedNode, ['--version'], { encoding: 'utf8' })
  if (stdout?.trim() === wanted) return
  throw new Failure(`the pinned Node ${wanted} does not run: ${(error?.message ?? stderr.trim()) || `it says ${stdout.trim()}`}
It comes with the npm package "node", whose install script fetches the build for this platform. Try:

  cd ${root} && npm rebuild node --ignore-scripts=false

and start again. If that fails too, the platform has no such build (Alpine's musl has none): use a glibc Linux or macOS.`)
}

function lockedPackages() {
  return JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages
}

function lockHash() {
  return createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex')
}

function readText(file) {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}
