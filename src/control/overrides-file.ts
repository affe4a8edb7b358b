import type { Override } from '../model/overrides.ts'
import { isFields } from '../model/shape.ts'
import { KeptFile } from './kept-file.ts'

/** Keeps the overrides of this instance on its disk, so that they survive the control process. */
export class OverridesFile {
  private readonly file: KeptFile

  constructor(file: string) {
    this.file = new KeptFile(file)
  }

  /** Returns the valid overrides of the file. */
  async read(): Promise<readonly Override[]> {
    const value = await this.file.read()
    return Array.isArray(value) ? value.filter(isOverride) : []
  }

  /** Replaces the overrides. Rejects with the file system's error. */
  write(overrides: readonly Override[]): Promise<void> {
    return this.file.write(overrides.length === 0 ? null : JSON.stringify(overrides))
  }
}

function isOverride(value: unknown): value is Override {
  if (!isFields(value) || typeof value.atMs !== 'number' || typeof value.by !== 'string') return false
  const { command } = value
  if (!isFields(command)) return false
  return command.kind === 'switch' ? typeof command.service === 'string' : command.kind === 'server'
}
