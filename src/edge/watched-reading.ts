import { stat } from 'node:fs/promises'

/** Result of reading files: the value, or why it cannot be used. */
export type Read<T> = { readonly value: T } | { readonly problem: string }

/** What a look at the files has found. `failed`: they have changed and cannot be used; told once for each change. */
export type Found = 'same' | 'changed' | 'failed'

/**
 * A value that is read from files which may be replaced at any time, such as a certificate and its key. While the files
 * cannot be used, the last good value stays in use.
 */
export class WatchedReading<T> {
  /** null = the files were never usable. */
  value: T | null
  /** When `value` was read; null = it is known from an earlier process. */
  since: Date | null = null
  /** Why the files as they are now cannot be used; null = `value` is what they have. */
  problem: string | null = null
  /** Number of changes after which they could not be used. */
  failures = 0
  private readonly files: readonly string[]
  private readonly read: () => Promise<Read<T>>
  private readonly isSame: (a: T, b: T) => boolean
  /** Stamps of the files as they were last read. */
  private stamps = ''
  /** A problem that is told if the files still have it at the next look: the others may be about to be replaced as well. */
  private suspected: string | null = null

  /** `known`: the value of an earlier process; null = none. */
  constructor(
    files: readonly string[],
    read: () => Promise<Read<T>>,
    isSame: (a: T, b: T) => boolean,
    known: T | null = null,
  ) {
    this.files = files
    this.read = read
    this.isSame = isSame
    this.value = known
  }

  /**
   * Looks whether the files have changed, and reads them if so. `now`: a problem is told at once, instead of at the next
   * look if the files have not changed until then.
   */
  async look(now: boolean): Promise<Found> {
    const stamps = await this.stampsNow()
    if (stamps === this.stamps) return this.settle()
    const read = await this.read()
    // Otherwise they are being written, and the next look reads them.
    if (!now && stamps !== (await this.stampsNow())) return 'same'
    this.stamps = stamps
    if ('problem' in read) {
      this.suspected = read.problem
      return now ? this.settle() : 'same'
    }
    this.suspected = null
    const wasBroken = this.problem !== null
    this.problem = null
    if (this.value !== null && this.isSame(this.value, read.value)) {
      this.since ??= new Date()
      return wasBroken ? 'changed' : 'same'
    }
    this.value = read.value
    this.since = new Date()
    return 'changed'
  }

  private settle(): Found {
    if (this.suspected === null) return 'same'
    this.problem = this.suspected
    this.suspected = null
    this.failures++
    return 'failed'
  }

  private async stampsNow(): Promise<string> {
    return (await Promise.all(this.files.map(stampOf))).join('\n')
  }
}

/** Identifies a file, its size, and the times of its last changes; or why it cannot be looked at. */
async function stampOf(file: string): Promise<string> {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = await stat(file, { bigint: true })
    return `${dev} ${ino} ${size} ${mtimeNs} ${ctimeNs}`
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'unknown'
  }
}
