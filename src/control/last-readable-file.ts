import { join } from 'node:path'
import { isFields } from '../model/shape.ts'
import type { Split } from '../model/spec.ts'
import type { Documents, JsonObject } from '../model/state.ts'
import { currentSplit } from '../model/state.ts'
import { KeptFile } from './kept-file.ts'
import type { LastReadable, Memory } from './unreadable.ts'

/**
 * Definitions as they were last readable, of services that a newer version has changed since: on the disk of this
 * instance, so that the next process can serve them, too. There is no file while all can be read.
 */
export class LastReadableFile implements Memory {
  private readonly file: KeptFile
  private readonly warn: (message: string) => void
  private readonly lastKnown: () => Documents | null
  private known = new Map<string, LastReadable>()
  private kept = ''

  /**
   * `folder`: of the last known state; `instance`: tells this one from others that share it; `lastKnown`: the state that
   * was on the disk when this process started.
   */
  constructor(folder: string, instance: string, lastKnown: () => Documents | null, warn: (message: string) => void) {
    this.file = new KeptFile(join(folder, `last-readable-${encodeURIComponent(instance)}.json`))
    this.lastKnown = lastKnown
    this.warn = warn
  }

  /** Reads what a process before this one has kept; what makes no sense counts as not there. */
  async load(): Promise<void> {
    const value = await this.file.read()
    const entries = isFields(value) ? Object.entries(value) : []
    this.known = new Map(entries.flatMap(([name, kept]) => (isLastReadable(kept) ? [[name, kept]] : [])))
  }

  recall(name: string): LastReadable | undefined {
    const kept = this.known.get(name)
    if (kept !== undefined) return kept
    const services = this.lastKnown()?.services ?? {}
    const document = Object.hasOwn(services, name) ? services[name] : undefined
    return document === undefined ? undefined : { source: document.source, split: currentSplit(document) }
  }

  keep(all: Readonly<Record<string, LastReadable>>): void {
    const text = JSON.stringify(all)
    if (text === this.kept) return
    this.kept = text
    this.file
      .write(text === '{}' ? null : text)
      .catch((error: unknown) => this.warn(`the last readable definitions cannot be kept: ${(error as Error).message}`))
  }

  /** Resolves when all is written. */
  close(): Promise<void> {
    return this.file.settled()
  }
}

function isLastReadable(value: unknown): value is { readonly source: JsonObject; readonly split: Split } {
  return isFields(value) && isFields(value.source) && isFields(value.split)
}
