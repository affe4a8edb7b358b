import { join } from 'node:path'
import type { Logger } from 'pino'
import type { Request } from '../model/commands.ts'
import type { LocalCommand, Override } from '../model/overrides.ts'
import { describeOverride } from '../model/overrides.ts'
import type { Store } from '../store/store.ts'
import { takesChanges } from '../store/store.ts'
import type { Controller, Result } from './controller.ts'
import { OverridesFile } from './overrides-file.ts'

/**
 * What is done to this instance alone while the store is away or takes no changes. It survives a restart, and ends when the
 * store takes changes again.
 */
export class LocalOverrides {
  private readonly controller: Controller
  private readonly store: Store
  private readonly log: Logger
  private readonly file: OverridesFile

  /** `folder`: of the last known state; `instance`: tells this one from others that share it. */
  constructor(controller: Controller, store: Store, folder: string, instance: string, log: Logger) {
    this.controller = controller
    this.store = store
    this.log = log
    this.file = new OverridesFile(join(folder, `overrides-${encodeURIComponent(instance)}.json`))
  }

  /** Goes on with those of the process before this one, unless the store takes changes. */
  async resume(): Promise<void> {
    if (takesChanges(this.store)) await this.keep([])
    else this.controller.override(await this.file.read())
  }

  /** Carries out a command on this instance. */
  async execute(command: LocalCommand, request: Request): Promise<Result> {
    if (takesChanges(this.store)) {
      const detail =
        'scope=local is for when the store is away or takes no changes; it does, and would end this at once. Leave it out.'
      return { kind: 'refused', refusal: { kind: 'conflict', detail } }
    }
    const result = this.controller.executeHere(command, request)
    if (result.kind === 'done' && result.changed) {
      const { overrides } = this.controller
      await this.keep(overrides)
      const what = overrides.map(describeOverride).at(-1)
      this.log.warn({ by: request.by, reason: request.reason, what }, 'overridden on this instance alone')
    }
    return result
  }

  /** Ends all of them: what the store said last is in force again. */
  async lift(why: string): Promise<void> {
    const lifted = this.controller.overrides.map(describeOverride)
    if (lifted.length > 0)
      this.log.warn({ lifted }, `${why}: what was overridden on this instance is as the store says`)
    this.controller.override([])
    await this.keep([])
  }

  /** They are in force whether the disk takes them or not: it may be the very reason why they are needed. */
  private async keep(overrides: readonly Override[]): Promise<void> {
    try {
      await this.file.write(overrides)
    } catch (error) {
      const detail = 'what is overridden on this instance could not be written: it holds until this process ends'
      this.log.error({ err: error }, detail)
    }
  }
}
