// node scripts/bootstrap.mjs [--] FILE [ARGUMENT…]: runs a file on the pinned Node, even from a fresh clone.
// Plain JavaScript for Node 20 that imports no package, because it runs before node_modules exists.
import { ensureBundle, ensureDashboard } from './lib/bundle.mjs'
import { runNode } from './lib/child.mjs'
import { main } from './lib/failure.mjs'
import { ensureInstalled } from './lib/install.mjs'

await main(async (args) => {
  await ensureInstalled()
  await ensureBundle()
  await ensureDashboard()
  return (await runNode(args[0] === '--' ? args.slice(1) : args)).code
})
