import { isDeepStrictEqual } from 'node:util'
import type { FuseTrip } from '../../model/messages.ts'
import { withCanaryClosed } from '../../model/rollout/close-canary.ts'
import type { TableRollout } from '../../model/rollout/table-rollout.ts'
import type { TableService } from '../../model/table.ts'
import type { Targets } from '../upstream/targets.ts'
import { Fuse } from './fuse.ts'

/** The fuses of the rollouts in the table in force. */
export class Fuses {
  private readonly byService = new Map<string, Fuse>()
  private readonly targets: Pick<Targets, 'get'>
  private readonly onTrip: (fuse: Fuse) => void

  /** `onTrip`: called when a fuse trips. */
  constructor(targets: Pick<Targets, 'get'>, onTrip: (fuse: Fuse) => void) {
    this.targets = targets
    this.onTrip = onTrip
  }

  /** The fuse of a service; null = it has none. */
  of(service: string): Fuse | null {
    return this.byService.get(service) ?? null
  }

  /**
   * Takes a service of a new table. Returns it as it is to be in force: without its canary, if the fuse has tripped for
   * this rollout.
   */
  take(table: TableService): TableService {
    const { name, rollout } = table
    const before = this.of(name)
    if (rollout !== undefined && before?.rollout.id === rollout.id) {
      if (before.trip !== null) return withCanaryClosed(table)
      if (countsTheSame(before.rollout, rollout)) {
        before.table = table
        return table
      }
    }
    this.forget(name)
    const spec = rollout?.fuse ?? null
    if (rollout !== undefined && spec !== null)
      this.byService.set(name, new Fuse(table, rollout, spec, this.targets, this.onTrip))
    return table
  }

  /** Forgets the fuse of a service, if it has one. */
  forget(service: string): void {
    const fuse = this.byService.get(service)
    if (fuse === undefined) return
    fuse.isOver = true
    this.byService.delete(service)
  }

  /** Of those that have tripped, why. */
  trips(): readonly FuseTrip[] {
    return [...this.byService.values()].flatMap(({ trip }) => trip ?? [])
  }
}

function countsTheSame(a: TableRollout, b: TableRollout): boolean {
  return a.from === b.from && a.to === b.to && isDeepStrictEqual(a.fuse, b.fuse)
}
