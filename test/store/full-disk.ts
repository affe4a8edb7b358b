/**
 * A process whose files may not grow beyond what `ulimit -f` allows: `node full-disk.ts PATH COMPACT_AFTER_CHANGES`.
 * Commits large changes until one fails or there are 30, then a small one, then ends properly. Says what came of it, as
 * JSON.
 */
import { writeSync } from 'node:fs'
import { EmbeddedStore } from '../../src/store/embedded/embedded-store.ts'
import { changeFor } from './changes.ts'

const [path = '', changes = '1000'] = process.argv.slice(2)
const warnings: string[] = []
const told: number[] = []
const store = new EmbeddedStore({
  path,
  compactAfter: { changes: Number(changes), bytes: 1 << 30 },
  tell: (_level, message) => warnings.push(message),
})
await store.open()
store.subscribe((change) => told.push(change.revision))
let failure: { name: string; message: string; revision: number; told: number } | null = null
for (let revision = 1; revision <= 30 && failure === null; revision++) {
  try {
    // Before the first collection a snapshot is written, which is not what fails here.
    const { collections: _, ...change } = changeFor(revision, `service-${revision}`, 'x'.repeat(4_000))
    await store.commit(change)
  } catch (error) {
    const { name, message } = error instanceof Error ? error : new Error(String(error))
    failure = { name, message, revision: store.documents().revision, told: told.length }
  }
}
const small = await store.commit(changeFor(store.documents().revision + 1))
await store.close()
writeSync(1, JSON.stringify({ failure, small, warnings, documents: store.documents() }))
