import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { run } from './child.mjs'
import { Failure } from './failure.mjs'
import { withLock } from './lock.mjs'
import { findOnPath, pinnedNode, root } from './paths.mjs'

const stamp = join(root, 'node_modules/.cutover-installed')

/** Installs the packages of package-lock.json, only once even if several processes call it. Throws a `Failure`. */
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

/**
 * Whether npm's own record of node_modules has every package of the lock file, except optional ones (other platforms).
 */
function isInstalledByHand() {
  const installed = readText(join(root, 'node_modules/.package-lock.json'))
  if (installed === undefined || !existsSync(pinnedNode)) return false
  const present = JSON.parse(installed).packages
  return Object.entries(lockedPackages()).every(
    ([path, entry]) => path === '' || entry.optional || present[path]?.integrity === entry.integrity,
  )
}

async function npmCi() {
  console.error('cutover: installing the packages of package-lock.json (npm ci), once; this takes a moment')
  // npm removes node_modules before it installs, so it must not run on the Node in there.
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
  if (interrupted) throw new Failure('the installation was interrupted; the next start installs again.', code)
  if (code !== 0) throw new Failure(`npm ci failed (exit code ${code}, see above). Nothing was started.`)
}

/**
 * Throws a `Failure` unless the pinned Node runs. An install script downloads it, so it is missing if npm ran no
 * scripts or the platform has no build.
 */
function requirePinnedNode() {
  const wanted = `v${lockedPackages()['node_modules/node']?.version}`
  const { stdout, stderr, error } = spawnSync(pinnedNode, ['--version'], { encoding: 'utf8' })
  if (stdout?.trim() === wanted) return
  throw new Failure(`the pinned Node ${wanted} does not run: ${(error?.message ?? stderr.trim()) || `it printed ${stdout.trim()}`}
It comes with the npm package "node", whose install script fetches the build for this platform. Try:

  cd ${root} && npm rebuild node --ignore-scripts=false

and try again. If that fails too, there is no build for this platform (such as Alpine with musl): use a glibc Linux or macOS.`)
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
