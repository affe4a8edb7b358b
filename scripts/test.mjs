// npm test: installs what is missing, type-checks, lints and runs every test, even from a fresh clone. Arguments go to
// vitest.
import { run, runNode } from './lib/child.mjs'
import { Failure, main } from './lib/failure.mjs'
import { ensureInstalled } from './lib/install.mjs'
import { findOnPath, root } from './lib/paths.mjs'

await main(async (args) => {
  await ensureInstalled()
  await ensureRedis()
  process.chdir(root)
  const steps = [
    ['types', ['node_modules/typescript/bin/tsc', '--noEmit']],
    ['lint', ['node_modules/@biomejs/biome/bin/biome', 'check', '.']],
    ['tests', ['node_modules/vitest/vitest.mjs', 'run', ...args]],
  ]
  for (const [name, command] of steps) {
    console.log(`cutover: ${name}`)
    const { code } = await runNode(command)
    if (code !== 0) throw new Failure(`${name} failed (exit code ${code}); later steps were not run.`, code)
  }
  return 0
})

/** Installs redis-server if it is missing and apt-get can do so; the tests of the store need a real Redis. */
async function ensureRedis() {
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

/** Returns a function that calls apt-get without any prompt; undefined = not possible for this user. */
function aptGet() {
  // RUNLEVEL=1 keeps the package from starting a service: only the program is needed.
  const command = ['env', 'DEBIAN_FRONTEND=noninteractive', 'RUNLEVEL=1', 'apt-get']
  if (!findOnPath('apt-get')) return undefined
  if (process.getuid() !== 0) {
    if (!findOnPath('sudo')) return undefined
    command.unshift('sudo', '-n')
  }
  return (...args) => run(command[0], [...command.slice(1), ...args], { stdio: ['ignore', 'ignore', 'inherit'] })
}
