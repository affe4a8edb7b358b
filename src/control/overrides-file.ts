import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import type { Override } from '../model/overrides.ts'
import { isFields } from '../model/shape.ts'

/** Overrides of this instance on its disk: a control process that dies takes them with it otherwise. */
export class OverridesFile {
  private readonly file: string
  /** Writes are done in the order they were asked for. */
  private written: Promise<void> = Promise.resolve()

  constructor(file: string) {
    this.file = file
  }

  /** What is there and makes sense. */
  async read(): Promise<readonly Override[]> {
    const text = await readFile(this.file, 'utf8').catch(() => '[]')
    try {
      const value: unknown = JSON.parse(text)
      return Array.isArray(value) ? value.filter(isOverride) : []
    } catch {
      return []
    }
  }

  /** None: there is no file. Throws what the disk says. */
  write(overrides: readonly Override[]): Promise<void> {
    const written = this.written.then(() => this.replace(overrides))
    this.written = written.catch(() => undefined)
    return written
  }

  private async replace(overrides: readonly Override[]): Promise<void> {
    if (overrides.length === 0) {
      await rm(this.file, { force: true })
      return
    }
    const temporary = `${this.file}.tmp`
    await writeFile(temporary, JSON.stringify(overrides), { mode: 0o600 })
    await rename(temporary, this.file)
  }
}

function isOverride(value: unknown): value is Override {
  if (!isFields(value) || typeof value.atMs !== 'number' || typeof value.by !== 'string') return false
  const { command } = value
  if (!isFields(command)) return false
  return command.kind === 'switch' ? typeof command.service === 'string' : command.kind === 'server'
}
