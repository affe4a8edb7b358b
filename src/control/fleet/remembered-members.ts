import { createHash } from 'node:crypto'
import { join } from 'node:path'
import type { InstanceRecord } from '../../model/fleet.ts'
import { isRecord } from '../../model/fleet-shape.ts'
import { isFields } from '../../model/shape.ts'
import { KeptFile } from '../kept-file.ts'

/** Max age of a file that is used; the register keeps departures for twice as long. */
const MAX_AGE_MS = 12 * 3_600_000
/** An unchanged file is rewritten at this interval, so that it does not expire. */
const RENEW_MS = 3_600_000

/** Place of the file, and the instance and fleet that it belongs to. */
export interface MembersPlace {
  readonly folder: string
  /** Tells this instance from others that share the folder. */
  readonly instance: string
  /** Tells the fleet from others: its store and prefix. Only its hash is kept. */
  readonly fleet: string
}

/**
 * The other instances, on the disk of this one. The register alone is not enough: if it was emptied while an instance
 * is out of touch, a control process that starts at that time would never hear of that instance.
 */
export class RememberedMembers {
  private readonly file: KeptFile
  /** Hash of the fleet's store and prefix; the file of another fleet is ignored. */
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

  /** Reads the file of the previous process; an expired or invalid file counts as missing. */
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

  /**
   * Writes the current instances to the file if the set has changed, `RENEW_MS` has passed, or the last write failed.
   */
  keep(records: readonly InstanceRecord[]): void {
    const atMs = this.nowMs()
    const instances = JSON.stringify(records.map(({ id, boot }) => [id, boot]).sort())
    if (instances === this.kept && atMs - this.keptAt < RENEW_MS) return
    this.kept = instances
    this.keptAt = atMs
    const text = records.length === 0 ? null : JSON.stringify({ atMs, fleet: this.fleet, instances: records })
    const warn = ({ message }: Error): void => this.warn(`the other instances cannot be kept: ${message}`)
    void this.file.tryWrite(text, warn).then((isWritten) => {
      if (!isWritten) this.keptAt = Number.NEGATIVE_INFINITY
    })
  }

  /** Resolves when all writes have ended. */
  close(): Promise<void> {
    return this.file.settled()
  }
}
