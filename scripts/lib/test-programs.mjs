import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
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

const CHROMIUM_NAMES = ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome']

/**
 * Installs Chromium if it is missing and apt-get can do so: the tests of the dashboard use it in a real browser. Leaves the path
 * in the variable CHROMIUM for them; set by the user, it names another binary.
 */
export async function ensureChromium() {
  if (process.env.CHROMIUM) {
    if (existsSync(process.env.CHROMIUM)) return
    throw new Failure(
      `there is no ${process.env.CHROMIUM}, which CHROMIUM names as the browser for the tests of the dashboard`,
    )
  }
  if (findChromium()) return
  const apt = aptGet()
  if (apt) {
    console.error('cutover: installing chromium (apt-get), once')
    await apt('update', '-qq')
    await apt('install', '-qq', '-y', '--no-install-recommends', 'chromium')
    if (findChromium()) return
  }
  throw new Failure(`the tests need a real Chromium, for the dashboard. Install it and try again:

  Debian           sudo apt-get install --no-install-recommends chromium
  Fedora           sudo dnf install chromium
  others           CHROMIUM=/path/of/chromium-or-chrome npm test`)
}

function findChromium() {
  process.env.CHROMIUM = CHROMIUM_NAMES.map((name) => findOnPath(name)).find((path) => path !== undefined) ?? ''
  return process.env.CHROMIUM !== ''
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

/** Takes promtool out of Debian's package. */
async function downloadPromtool() {
  await withPackages(['prometheus'], async (folder) => {
    const extract = 'dpkg-deb --fsys-tarfile prometheus_*.deb | tar -x ./usr/bin/promtool'
    const { code } = await run('sh', ['-c', extract], { cwd: folder, ...printErrors })
    if (code === 0) renameSync(join(folder, 'usr/bin/promtool'), join(binFolder, 'promtool'))
  })
}

/**
 * Puts nginx and HAProxy into node_modules/.bin if they are missing and apt-get can download them: the tests of
 * `cutover import` send the same requests to them and to Cutover.
 */
export async function ensureOtherProxies() {
  for (const name of ['nginx', 'haproxy']) {
    if (hasProxy(name)) continue
    if (findOnPath('apt-get') && findOnPath('dpkg-deb')) {
      console.error(`cutover: downloading ${name} (apt-get download ${name}), once`)
      await downloadProgram(name)
      if (hasProxy(name)) continue
    }
    throw new Failure(`the tests need ${name}, whose configuration cutover imports, on the PATH. Install it and try again:

  Debian, Ubuntu   sudo apt-get install --no-install-recommends ${name}
  Fedora           sudo dnf install ${name}
  macOS            brew install ${name}`)
  }
}

function hasProxy(name) {
  const path = [binFolder, process.env.PATH, '/usr/sbin', '/usr/local/sbin'].join(delimiter)
  return findOnPath(name, path) !== undefined
}

/**
 * Puts h2load into node_modules/.bin if it is missing and apt-get can download it: the tests of HTTP/2 load Cutover with it,
 * a client that shares no code with Node.
 */
export async function ensureH2load() {
  if (findOnPath('h2load', [binFolder, process.env.PATH].join(delimiter)) !== undefined) return
  if (findOnPath('apt-get') && findOnPath('dpkg-deb')) {
    console.error('cutover: downloading h2load (apt-get download nghttp2-client), once')
    await downloadProgram('h2load', 'nghttp2-client', 'usr/bin')
    if (findOnPath('h2load', binFolder) !== undefined) return
  }
  throw new Failure(`the tests need h2load, a program of nghttp2, on the PATH. Install it and try again:

  Debian, Ubuntu   sudo apt-get install --no-install-recommends nghttp2-client
  Fedora           sudo dnf install nghttp2
  macOS            brew install nghttp2`)
}

/**
 * Unpacks a program of Debian, with the libraries that are not installed here, and a script that starts it with them. `folder`:
 * where the package has the program.
 */
async function downloadProgram(name, packageName = name, folder = 'usr/sbin') {
  await withPackages(
    () => [packageName, ...missingLibraries(packageName)],
    async (downloads) => {
      const extract = 'for each in *.deb; do dpkg-deb -x "$each" tree || exit 1; done'
      const { code } = await run('sh', ['-c', extract], { cwd: downloads, ...printErrors })
      if (code !== 0) return
      const home = join(root, 'node_modules/.debian', name)
      mkdirSync(join(home, '..'), { recursive: true })
      rmSync(home, { recursive: true, force: true })
      renameSync(join(downloads, 'tree'), home)
      const script = join(binFolder, name)
      writeFileSync(
        script,
        `#!/bin/sh
home=$(dirname "$0")/../.debian/${name}
libraries=$(echo "$home"/usr/lib/*-linux-gnu* | tr ' ' ':')
LD_LIBRARY_PATH="$libraries\${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" exec "$home/${folder}/${name}" "$@"
`,
      )
      chmodSync(script, 0o755)
    },
  )
}

/** Libraries that a package of Debian needs, and those that they need, as far as they are not installed. */
function missingLibraries(name) {
  const only = ['recommends', 'suggests', 'conflicts', 'breaks', 'replaces', 'enhances'].map((each) => `--no-${each}`)
  const depends = output('apt-cache', ['depends', '--recurse', ...only, name])
  const libraries = [...new Set(depends.match(/^lib[\w.+-]+$/gm) ?? [])]
  // biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg-query replaces them
  const installed = output('dpkg-query', ['-W', '-f', '${Package} ${db:Status-Status}\n', ...libraries])
  return libraries.filter((library) => !installed.includes(`${library} installed\n`))
}

/** What a command prints, also if it fails: dpkg-query does for packages that it does not know. */
function output(command, args) {
  try {
    return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
  } catch (error) {
    return String(error.stdout ?? '')
  }
}

/**
 * Downloads packages of Debian into a folder that is removed after `use`. To install them instead would need root, and would
 * add servers, users and more packages. `packages`: their names, or a function that finds them in the lists of packages.
 */
async function withPackages(packages, use) {
  const folder = mkdtempSync(join(root, 'node_modules/.download-'))
  const download = async (stdio) => {
    const limits = ['-o', 'Acquire::Retries=1', '-o', 'Acquire::http::Timeout=30', '-o', 'APT::Sandbox::User=root']
    const names = typeof packages === 'function' ? packages() : packages
    const { code } = await run('apt-get', ['download', '-qq', ...limits, ...names], { cwd: folder, stdio })
    return code === 0
  }
  try {
    // It fails if there are no lists of packages yet, or if they are too old.
    if (!(await download('ignore'))) {
      await aptGet()?.('update', '-qq')
      if (!(await download(printErrors.stdio))) return
    }
    await use(folder)
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
