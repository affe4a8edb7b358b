import { readFile, rename, rm, writeFile } from 'node:fs/promises'

/** A small JSON file on the disk of this instance, for the next process. There is none while there is nothing to keep. */
export class KeptFile {
  private readonly file: string
  /** Writes are done in the order they were asked for. */
  private written: Promise<void> = Promise.resolve()

  constructor(file: string) {
    this.file = file
  }

  /** What is there; undefined for no file, and for one that makes no sense. */
  async read(): Promise<unknown> {
    try {
      return JSON.parse(await readFile(this.file, 'utf8'))
    } catch {
      return undefined
    }
  }

  /** Replaces the whole file, or removes it for null. Throws what the disk says. */
  write(text: string | null): Promise<void> {
    const written = this.written.then(() => this.replace(text))
    this.written = written.catch(() => undefined)
    return written
  }

  /** Resolves when all that was asked for is written. */
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
