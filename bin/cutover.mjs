#!/usr/bin/env node
// The command line. In a checkout: runs on whatever Node is there, and Cutover itself, unbuilt, on the pinned one.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const source = join(fileURLToPath(new URL('..', import.meta.url)), 'src/main.ts')
if (existsSync(source)) {
  const { runNode } = await import('../scripts/lib/child.mjs')
  const { main } = await import('../scripts/lib/failure.mjs')
  const { ensureInstalled } = await import('../scripts/lib/install.mjs')
  await main(async (args) => {
    await ensureInstalled()
    return (await runNode([source, ...args])).code
  })
} else await import('../dist/main.js')
