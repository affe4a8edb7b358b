import { join } from 'node:path'
import { isFields } from '../model/shape.ts'
import type { Split } from '../model/spec.ts'
import type { Documents, JsonObject } from '../model/state.ts'
import { currentSplit } from '../model/state.ts'
import { KeptFile } from './kept-file.ts'
import type { LastReadable, Memory } from './unreadable.ts'

/**
 * Keeps the last readable definitions of services that a newer version has changed since, on the disk of this instance,
 * so that its next process can serve them, too. The file is missing while all definitions can be read.
 */
export class LastReadableFile implements Memory {
  private readonly file: KeptFile
  private readonly warn: (message: string) => void
  private readonly lastKnown: () => Documents | null
  private known = new Map<string, LastReadable>()
  private kept = ''

  /**
   * `folder`: folder of the last known state; `instance`: distinguishes this instance from others that use the folder;
   * `lastKnown`: returns the state that was on the disk when this process started.
   */
  constructor(folder: string, instance: string, lastKnown: () => Documents | null, warn: (message: string) => void) {
    this.file = new KeptFile(join(folder, `last-readable-${encodeURIComponent(instance)}.json`))
    this.lastKnown = lastKnown
    this.warn = warn
  }

  /** Reads the file of the previous process; invalid entries count as missing. */
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
    const warn = ({ message }: Error): void => this.warn(`the last readable definitions cannot be kept: ${message}`)
    void this.file.tryWrite(text === '{}' ? null : text, warn).then((isWritten) => {
      // The next change of the state tries again.
      if (!isWritten) this.kept = ''
    })
  }

  /** Resolves when all writes have ended. */
  close(): Promise<void> {
    return this.file.settled()
  }
}

function isLastReadable(value: unknown): value is { readonly source: JsonObject; readonly split: Split } {
  return isFields(value) && isFields(value.source) && isFields(value.split)
}
