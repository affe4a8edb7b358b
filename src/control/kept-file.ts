import { readFile, rename, rm, writeFile } from 'node:fs/promises'

/** A small JSON file on the disk of this instance, for its next process. Missing while there is nothing to keep. */
export class KeptFile {
  private readonly file: string
  /** Serializes writes. */
  private written: Promise<void> = Promise.resolve()
  private hasFailed = false

  constructor(file: string) {
    this.file = file
  }

  /** Returns the parsed content; undefined = the file is missing, unreadable or not JSON. */
  async read(): Promise<unknown> {
    try {
      return JSON.parse(await readFile(this.file, 'utf8'))
    } catch {
      return undefined
    }
  }

  /** Replaces the whole file, or removes it for null. Rejects with the file system's error. */
  write(text: string | null): Promise<void> {
    const written = this.written.then(() => this.replace(text))
    this.written = written.catch(() => undefined)
    return written
  }

  /**
   * Does as `write`, for content that may be missing on the disk for a while. Resolves with whether it was written;
   * `warn` is called with the error at the first of several failures.
   */
  async tryWrite(text: string | null, warn: (error: Error) => void): Promise<boolean> {
    try {
      await this.write(text)
      this.hasFailed = false
    } catch (error) {
      if (!this.hasFailed) warn(error as Error)
      this.hasFailed = true
    }
    return !this.hasFailed
  }

  /** Resolves when all writes so far have ended, whether they succeeded or not. */
  settled(): Promise<void> {
    return this.written
  }

  private async replace(text: string | null): Promise<void> {
    if (text === null) {
      await rm(this.file, { force: true })
      return
    }
    const temporary = `${this.file}.tmp`
    await writeFile(temporary, text, { mode: 0o600 })
    await rename(temporary, this.file)
  }
}
