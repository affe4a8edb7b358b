import { mkdtempSync, renameSync, rmSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { run } from './child.mjs'
import { Failure } from './failure.mjs'
import { binFolder, findOnPath, root } from './paths.mjs'

const printErrors = { stdio: ['ignore', 'ignore', 'inherit'] }

/** Installs redis-server if it is missing and apt-get can do so; the tests of the store need a real Redis. */
export async function ensureRedis() {
  if (findOnPath('redis-server')) return
  const apt = aptGet()
  if (apt) {
    console.error('cutover: installing redis-server (apt-get), once')
    await apt('update', '-qq')
    await apt('install', '-qq', '-y', '--no-install-recommends', 'redis-server')
    if (findOnPath('redis-server')) return
  }
  throw new Failure(`the tests need a real redis-server (7 or newer) on the PATH. Install it and try again:

  Debian, Ubuntu   sudo apt-get install --no-install-recommends redis-server
  Fedora           sudo dnf install redis
  macOS            brew install redis`)
}

/**
 * Puts promtool into node_modules/.bin if it is missing and apt-get can download it; the tests of the alerts, the
 * dashboard and the metrics need it.
 */
export async function ensurePromtool() {
  if (hasPromtool()) return
  if (findOnPath('apt-get') && findOnPath('dpkg-deb')) {
    console.error('cutover: downloading promtool (apt-get download prometheus, 20 MB), once')
    await downloadPromtool()
    if (hasPromtool()) return
  }
  throw new Failure(`the tests need promtool (2.42 or newer), a program of Prometheus, on the PATH. Install it and try again:

  Debian, Ubuntu   sudo apt-get install --no-install-recommends prometheus
  Fedora           sudo dnf install golang-github-prometheus
  macOS            brew install prometheus
  others           https://prometheus.io/download`)
}

function hasPromtool() {
  return findOnPath('promtool', [binFolder, process.env.PATH].join(delimiter)) !== undefined
}

/**
 * Takes promtool out of Debian's package. To install the package instead would need root, and would add a server, a
 * user and ten packages.
 */
async function downloadPromtool() {
  const folder = mkdtempSync(join(root, 'node_modules/.promtool-'))
  const download = async (stdio) => {
    const limits = ['-o', 'Acquire::Retries=1', '-o', 'Acquire::http::Timeout=30', '-o', 'APT::Sandbox::User=root']
    const { code } = await run('apt-get', ['download', '-qq', ...limits, 'prometheus'], { cwd: folder, stdio })
    return code === 0
  }
  try {
    // It fails if there are no lists of packages yet, or if they are too old.
    if (!(await download('ignore'))) {
      await aptGet()?.('update', '-qq')
      if (!(await download(printErrors.stdio))) return
    }
    const extract = 'dpkg-deb --fsys-tarfile prometheus_*.deb | tar -x ./usr/bin/promtool'
    const { code } = await run('sh', ['-c', extract], { cwd: folder, ...printErrors })
    if (code === 0) renameSync(join(folder, 'usr/bin/promtool'), join(binFolder, 'promtool'))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Returns a function that calls apt-get without any prompt; undefined = not possible for this user. */
function aptGet() {
  // RUNLEVEL=1 keeps the package from starting a service: only the program is needed.
  const command = ['env', 'DEBIAN_FRONTEND=noninteractive', 'RUNLEVEL=1', 'apt-get']
  if (!findOnPath('apt-get')) return undefined
  if (process.getuid() !== 0) {
    if (!findOnPath('sudo')) return undefined
    command.unshift('sudo', '-n')
  }
  return (...args) => run(command[0], [...command.slice(1), ...args], printErrors)
}
