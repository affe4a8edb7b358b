// npm test: everything from a fresh clone: installs what is missing, type-checks, lints, runs every test. Arguments go to vitest.
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

/** The store's tests run against a real Redis, not a likeness of one. */
async function ensureRedis() {
  if (findOnPath('redis-server')) return
  const apt = aptGet()
  if (apt) {
    console.error('cutover: installing redis-server (apt-get), once')
    await apt('update', '-qq')
    await apt('install', '-qq', '-y', '--no-install-recommends', 'redis-server')
    if (findOnPath('redis-server')) return
  }
  throw new Failure(`the tests need a real redis-server (7 or newer) on the PATH. Install it, and start again:

  Debian, Ubuntu   sudo apt-get install --no-install-recommends redis-server
  Fedora           sudo dnf install redis
  macOS            brew install redis`)
}

/** How to call apt-get here without a question asked, or undefined. */
function aptGet() {
  // RUNLEVEL=1: no service is started, only the program is wanted.
  const command = ['env', 'DEBIAN_FRONTEND=noninteractive', 'RUNLEVEL=1', 'apt-get']
  if (!findOnPath('apt-get')) return undefined
  if (process.getuid() !== 0) {
    if (!findOnPath('sudo')) return undefined
    command.unshift('sudo', '-n')
  }
  return (...args) => run(command[0], [...command.slice(1), ...args], { stdio: ['ignore', 'ignore', 'inherit'] })
}
