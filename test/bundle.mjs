// Bundles src/ into dist/ before the tests, which start instances from there.
export { ensureBundle as setup } from '../scripts/lib/bundle.mjs'
