// npm test: installs what is missing, type-checks, lints and runs every test, even from a fresh clone. Arguments go to
// vitest.
import { runNode } from './lib/child.mjs'
import { Failure, main } from './lib/failure.mjs'
import { ensureInstalled } from './lib/install.mjs'
import { root } from './lib/paths.mjs'
import { ensureChromium, ensureH2load, ensureOtherProxies, ensurePromtool, ensureRedis } from './lib/test-programs.mjs'

await main(async (args) => {
  await ensureInstalled()
  await ensureRedis()
  await ensurePromtool()
  await ensureOtherProxies()
  await ensureH2load()
  await ensureChromium()
  process.chdir(root)
  const steps = [
    ['types', ['node_modules/typescript/bin/tsc', '--noEmit']],
    ['types of the dashboard', ['node_modules/typescript/bin/tsc', '--project', 'dashboard/tsconfig.json']],
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
