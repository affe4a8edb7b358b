// Builds the dashboard into dist/dashboard/, each file compressed as well, so that the admin API need not do it.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import { build } from 'vite'
import { main } from './lib/failure.mjs'
import { root } from './lib/paths.mjs'

const folder = join(root, 'dist/dashboard')
/** Smaller files gain nothing. */
const MIN_BYTES = 512

await main(async () => {
  await build({ configFile: join(root, 'dashboard/vite.config.ts') })
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    if (!entry.isFile() || !/\.(html|js|css|svg)$/.test(entry.name)) continue
    const bytes = readFileSync(path)
    if (bytes.length < MIN_BYTES) continue
    writeFileSync(`${path}.gz`, gzipSync(bytes, { level: 9 }))
    writeFileSync(`${path}.br`, brotliCompressSync(bytes))
  }
  return 0
})
