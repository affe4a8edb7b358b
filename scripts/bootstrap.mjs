// node scripts/bootstrap.mjs [--] FILE [ARGUMENT…]: runs a file on the pinned Node, from a fresh clone too.
// Plain JavaScript that Node 20 understands and that imports no package: it runs before node_modules is there.
import { runNode } from './lib/child.mjs'
import { main } from './lib/failure.mjs'
import { ensureInstalled } from './lib/install.mjs'

await main(async (args) => {
  await ensureInstalled()
  return (await runNode(args[0] === '--' ? args.slice(1) : args)).code
})
