#!/usr/bin/env node
// The command line: runs on whatever Node is there, and Cutover itself on the pinned one.
import { join } from 'node:path'
import { runNode } from '../scripts/lib/child.mjs'
import { main } from '../scripts/lib/failure.mjs'
import { ensureInstalled } from '../scripts/lib/install.mjs'
import { root } from '../scripts/lib/paths.mjs'

await main(async (args) => {
  await ensureInstalled()
  return (await runNode([join(root, 'src/main.ts'), ...args])).code
})
