// npm run build, and npm pack: bundles src/ into dist/, since Node runs no TypeScript below node_modules, builds the
// dashboard, and writes the types of what is exported.
import { join } from 'node:path'
import { ensureBundle, ensureDashboard } from './lib/bundle.mjs'
import { run } from './lib/child.mjs'
import { main } from './lib/failure.mjs'
import { binFolder, root } from './lib/paths.mjs'

await main(async () => {
  await ensureBundle()
  await ensureDashboard()
  const { code } = await run(join(binFolder, 'tsc'), ['--project', join(root, 'tsconfig.build.json')])
  return code
})
