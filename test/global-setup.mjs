import { join } from 'node:path'
import { ensureBundle, ensureDashboard } from '../scripts/lib/bundle.mjs'
import { root } from '../scripts/lib/paths.mjs'

/** Builds what the tests start, once for all of them. */
export async function setup() {
  // Hundreds of instances are started, and each would compile the same code.
  process.env.NODE_COMPILE_CACHE ??= join(root, 'node_modules/.cache/compiled')
  await ensureBundle()
  await ensureDashboard()
}
