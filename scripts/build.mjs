// npm run build, and npm pack: compiles src/ into dist/, since Node runs no TypeScript below node_modules.
import { cpSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { run } from './lib/child.mjs'
import { main } from './lib/failure.mjs'
import { binFolder, root } from './lib/paths.mjs'

await main(async () => {
  rmSync(join(root, 'dist'), { recursive: true, force: true })
  const { code } = await run(join(binFolder, 'tsc'), ['--project', join(root, 'tsconfig.build.json')])
  if (code === 0) cpSync(join(root, 'src/store/redis/lua'), join(root, 'dist/store/redis/lua'), { recursive: true })
  return code
})
