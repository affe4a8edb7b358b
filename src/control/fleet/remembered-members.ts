import { createHash } from 'node:crypto'
import { join } from 'node:path'
import type { InstanceRecord } from '../../model/fleet.ts'
import { isRecord } from '../../model/fleet-shape.ts'
import { isFields } from '../../model/shape.ts'
import { KeptFile } from '../kept-file.ts'

/** A file older than this says nothing of who is there; the register keeps departures for twice as long. */
const MAX_AGE_MS = 12 * 3_600_000
/** A file that still holds is written anew this often, so that it does not grow old. */
const RENEW_MS = 3_600_000

/** Where the file is, and what it is about. */
export interface MembersPlace {
  readonly folder: string
  /** Tells this instance from others that share the folder. */
  readonly instance: string
  /** Tells the fleet from others: its store and prefix. Only its hash is kept. */
  readonly fleet: string
}

/**
 * The other instances, on the disk of this one. The register alone is not enough: where it was emptied while an instance is
 * out of touch, a control process that starts just then would never hear of that instance.
 */
export class RememberedMembers {
  private readonly file: KeptFile
  /** Another fleet has other instances. */
  private readonly fleet: string
  private readonly warn: (message: string) => void
  private readonly nowMs: () => number
  private records: readonly InstanceRecord[] = []
  private kept = ''
  private keptAt = 0

  /** `nowMs`: ms since the epoch. */
  constructor({ folder, instance, fleet }: MembersPlace, warn: (message: string) => void, nowMs = Date.now) {
    this.file = new KeptFile(join(folder, `fleet-${encodeURIComponent(instance)}.json`))
    this.fleet = createHash('sha256').update(fleet).digest('hex')
    this.warn = warn
    this.nowMs = nowMs
  }

  /** Reads what the previous process kept; a file that is old or makes no sense counts as missing. */
  async load(): Promise<void> {
    const value = await this.file.read()
    if (!isFields(value) || value.fleet !== this.fleet) return
    if (typeof value.atMs !== 'number' || !Array.isArray(value.instances)) return
    if (Math.abs(this.nowMs() - value.atMs) > MAX_AGE_MS) return
    this.records = value.instances.filter(isRecord)
  }

  /** The instances that the previous process knew. */
  recall(): readonly InstanceRecord[] {
    return this.records
  }

  /** Keeps the instances there are now, if others have come or gone, or the file grows old. */
  keep(records: readonly InstanceRecord[]): void {
    const atMs = this.nowMs()
    const who = JSON.stringify(records.map(({ id, boot }) => [id, boot]).sort())
    if (who === this.kept && atMs - this.keptAt < RENEW_MS) return
    this.kept = who
    this.keptAt = atMs
    this.file
      .write(records.length === 0 ? null : JSON.stringify({ atMs, fleet: this.fleet, instances: records }))
      .catch((error: unknown) => this.warn(`the other instances cannot be kept: ${(error as Error).message}`))
  }

  /** Resolves when all is written. */
  close(): Promise<void> {
    return this.file.settled()
  }
}
