import { open } from 'node:fs/promises'
import { setTimeout } from 'node:timers/promises'

/** Pause between two readings, long enough that a file written in one go is not half-written in both. */
const PAUSE_MS = 50
/** Max time to wait for a file that keeps changing. */
const PATIENCE_MS = 2_000

/** Thrown when the file changes at every reading. */
export class BeingWritten extends Error {
  override name = 'BeingWritten'
}

/** The stamp of a file that can be read only once, such as a pipe. */
const UNREPEATABLE = ''

interface Reading {
  readonly text: string
  /** Identifies the file, its size, and the time of its last write. */
  readonly stamp: string
}

/**
 * Reads a file that another program may be writing at this moment, in place or by a rename: repeats until two readings
 * in a row agree. Throws BeingWritten if they never do, and the errors of the file system.
 */
export async function readSettled(file: string): Promise<string> {
  const until = performance.now() + PATIENCE_MS
  let before: Reading | null = null
  let readings = 0
  for (;;) {
    const now = await readOnce(file)
    if (now !== null && now.stamp === UNREPEATABLE) return now.text
    if (now !== null && before !== null && now.stamp === before.stamp && now.text === before.text) return now.text
    // On a busy machine the first reading alone may take that long, which does not mean that the file is changing.
    if (performance.now() > until && readings > 0)
      throw new BeingWritten('it is being written; try again when that is done')
    readings++
    before = now
    await setTimeout(PAUSE_MS)
  }
}

/** Reads once; null if the file changed meanwhile. */
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
