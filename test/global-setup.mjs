import { ensureBundle, ensureDashboard } from '../scripts/lib/bundle.mjs'

/** Builds what the tests start, once for all of them. */
export async function setup() {
  await ensureBundle()
  await ensureDashboard()
}
