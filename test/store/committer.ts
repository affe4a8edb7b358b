/**
 * A process that commits endlessly: `node committer.ts PATH COMPACT_AFTER_CHANGES`. Prints `open REVISION`, then every
 * revision once it is acknowledged; or `refused MESSAGE`.
 */
import { writeSync } from 'node:fs'
import { EmbeddedStore } from '../../src/store/embedded/embedded-store.ts'
import { StoreUnusable } from '../../src/store/store.ts'
import { changeFor } from './changes.ts'

const [path = '', changes = '1000'] = process.argv.slice(2)
const store = new EmbeddedStore({ path, compactAfter: { changes: Number(changes), bytes: 1 << 30 }, tell: () => {} })

try {
  let { revision } = await store.open()
  writeSync(1, `open ${revision}\n`)
  for (;;) {
    const outcome = await store.commit(changeFor(++revision))
    if (outcome !== 'committed') throw new Error(`${outcome} at ${revision}`)
    writeSync(1, `${revision}\n`)
  }
} catch (error) {
  if (!(error instanceof StoreUnusable)) throw error
  writeSync(1, `refused ${error.message}\n`)
}
