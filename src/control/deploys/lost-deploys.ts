import type { Logger } from 'pino'
import { DEPLOYS, type Deploy, runningDeploy } from '../../model/deploys.ts'
import { documentsOf } from '../../model/document-kind.ts'
import { StoreUnavailable } from '../../store/store.ts'
import type { Control } from '../control.ts'
import type { Fleet } from '../fleet/fleet.ts'
import { abandonDeploy } from './deploy-commands.ts'

/** Time between attempts to restore a pool, for example while the store is away. */
const RETRY_MS = 1_000

export interface LostDeploysOptions {
  readonly control: Pick<Control, 'state' | 'execute'>
  readonly fleet: Pick<Fleet, 'others' | 'unreadable' | 'refresh'>
  /** Id of this instance. */
  readonly instance: string
  /** Whether this process carries out a deploy. */
  readonly isUnderWay: (id: string) => boolean
  readonly log: Logger
}

/**
 * Ends deploys that nobody carries out any more, and restores their pools: those of an instance that is gone, and those of
 * an earlier process of this instance. Any instance may do so; the first one wins.
 */
export class LostDeploys {
  private readonly options: LostDeploysOptions
  /** Ids of those that are being ended. */
  private readonly ending = new Set<string>()
  private retry: NodeJS.Timeout | undefined
  private isClosed = false

  constructor(options: LostDeploysOptions) {
    this.options = options
  }

  /** Looks for lost deploys; called with every state, and whenever the known instances may have changed. */
  check(): void {
    for (const { name, value } of documentsOf(DEPLOYS, this.options.control.state)) {
      if (this.isClosed || this.ending.has(value.id) || !this.isLost(value)) continue
      this.ending.add(value.id)
      void this.end(name, value).finally(() => this.ending.delete(value.id))
    }
  }

  close(): void {
    this.isClosed = true
    clearTimeout(this.retry)
  }

  private isLost({ id, instance }: Deploy): boolean {
    const { fleet, instance: own, isUnderWay } = this.options
    if (instance === own) return !isUnderWay(id)
    const others = [...fleet.others().map(({ record, live }) => ({ id: record.id, live })), ...fleet.unreadable()]
    return !others.some((other) => other.id === instance && other.live)
  }

  private async end(service: string, deploy: Deploy): Promise<void> {
    const { control, fleet, instance, log } = this.options
    const { id, by, pool } = deploy
    try {
      // What is known of the other instances may be a second old.
      const isCertain = deploy.instance === instance || (await fleet.refresh(0))
      if (!isCertain) return this.checkLater()
      if (!this.isLost(deploy) || runningDeploy(control.state, service)?.id !== id) return
      const reason = 'nobody carries out this deploy any more: its instance has ended, or is out of touch'
      const result = await control.execute(abandonDeploy(service, id), { by, reason, force: false, ifMatch: null })
      if (result.kind === 'done') log.warn({ service, pool, by }, `a deploy has ended without a switch: ${reason}`)
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error
      this.checkLater()
    }
  }

  private checkLater(): void {
    clearTimeout(this.retry)
    if (!this.isClosed) this.retry = setTimeout(() => this.check(), RETRY_MS).unref()
  }
}
