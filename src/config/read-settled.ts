import { open } from 'node:fs/promises'
import { setTimeout } from 'node:timers/promises'

/** From one reading to the next: a file that is written in one go is not half-written twice in a row. */
const PAUSE_MS = 50
/** A file that keeps changing for so long is not waited for any longer. */
const PATIENCE_MS = 2_000

/** The file changes whenever it is read. */
export class BeingWritten extends Error {
  override name = 'BeingWritten'
}

/** The stamp of what can be read only once: a pipe. */
const UNREPEATABLE = ''

interface Reading {
  readonly text: string
  /** Which file it was, how long, and when it was last written. */
  readonly stamp: string
}

/**
 * The text of a file that somebody may be writing at this moment, in place or by a rename: it is read until two readings
 * in a row agree. Throws BeingWritten when they never do, and what the disk says.
 */
export async function readSettled(file: string): Promise<string> {
  const until = performance.now() + PATIENCE_MS
  let before: Reading | null = null
  let readings = 0
  for (;;) {
    const now = await readOnce(file)
    if (now !== null && now.stamp === UNREPEATABLE) return now.text
    if (now !== null && before !== null && now.stamp === before.stamp && now.text === before.text) return now.text
    // On a busy machine the first reading alone may take that long, and says nothing of the file.
    if (performance.now() > until && readings > 0)
      throw new BeingWritten('it is being written; try again when that is done')
    readings++
    before = now
    await setTimeout(PAUSE_MS)
  }
}

/** One reading; null when the file has changed meanwhile. */
async function readOnce(file: string): Promise<Reading | null> {
  const handle = await open(file)
  const stamp = async (): Promise<string> => {
    const stats = await handle.stat({ bigint: true })
    const { dev, ino, size, mtimeNs } = stats
    return stats.isFile() ? `${dev} ${ino} ${size} ${mtimeNs}` : UNREPEATABLE
  }
  try {
    const before = await stamp()
    const text = await handle.readFile('utf8')
    return before === (await stamp()) ? { text, stamp: before } : null
  } finally {
    await handle.close()
  }
}
