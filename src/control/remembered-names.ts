import { isIP } from 'node:net'
import { join } from 'node:path'
import type { FoundServer } from '../model/discovery.ts'
import { isFields } from '../model/shape.ts'
import { KeptFile } from './kept-file.ts'

/** Servers by query, see `queryOf`. */
export type KnownServers = Readonly<Record<string, readonly FoundServer[]>>

/**
 * Keeps what DNS has last found on the disk of this instance, so that its next process begins with that, even if no DNS
 * server answers then.
 */
export class RememberedNames {
  private readonly file: KeptFile
  private readonly warn: (message: string) => void
  private kept = ''
  known: KnownServers = {}

  /** `folder`: of the store; `instance`: distinguishes this instance from others that use the folder. */
  constructor(folder: string, instance: string, warn: (message: string) => void) {
    this.file = new KeptFile(join(folder, `names-${encodeURIComponent(instance)}.json`))
    this.warn = warn
  }

  /** Reads the file of the previous process; invalid entries count as missing. */
  async load(): Promise<void> {
    const value = await this.file.read()
    const entries = isFields(value) ? Object.entries(value) : []
    this.known = Object.fromEntries(
      entries.flatMap(([query, servers]) =>
        Array.isArray(servers) && servers.every(isFound) ? [[query, servers as FoundServer[]]] : [],
      ),
    )
  }

  keep(known: KnownServers): void {
    const text = JSON.stringify(known)
    if (text === this.kept) return
    this.kept = text
    const warn = ({ message }: Error): void => this.warn(`the addresses of names cannot be kept: ${message}`)
    void this.file.tryWrite(text === '{}' ? null : text, warn).then((isWritten) => {
      // The next change tries again.
      if (!isWritten) this.kept = ''
    })
  }

  /** Resolves when all writes have ended. */
  close(): Promise<void> {
    return this.file.settled()
  }
}

function isFound(value: unknown): value is FoundServer {
  if (!isFields(value) || typeof value.address !== 'string' || isIP(value.address) === 0) return false
  const { target, weight, backup } = value
  const isTarget =
    target === null || (isFields(target) && typeof target.host === 'string' && Number.isInteger(target.port))
  return isTarget && typeof weight === 'number' && weight >= 1 && typeof backup === 'boolean'
}
