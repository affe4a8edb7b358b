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
 * Commands carried out on this instance alone while the store is away or takes no changes. They survive a restart, and
 * end when the store takes changes again.
 */
export class LocalOverrides {
  private readonly controller: Controller
  private readonly store: Store
  private readonly log: Logger
  private readonly file: OverridesFile

  /**
   * `folder`: folder of the last known state; `instance`: distinguishes this instance from others that use the folder.
   */
  constructor(controller: Controller, store: Store, folder: string, instance: string, log: Logger) {
    this.controller = controller
    this.store = store
    this.log = log
    this.file = new OverridesFile(join(folder, `overrides-${encodeURIComponent(instance)}.json`))
  }

  /** Restores the overrides of the previous process, unless the store takes changes. */
  async resume(): Promise<void> {
    if (takesChanges(this.store)) await this.keep([])
    else this.controller.override(await this.file.read())
  }

  /** Carries out a command on this instance; refused while the store takes changes. */
  async execute(command: LocalCommand, request: Request): Promise<Result> {
    if (takesChanges(this.store)) {
      const detail =
        'scope=local is only for times when the store is away or takes no changes; now it takes changes. Leave scope out.'
      return { kind: 'refused', refusal: { kind: 'conflict', detail } }
    }
    const result = this.controller.executeHere(command, request)
    if (result.kind === 'done' && result.changed) {
      const { overrides } = this.controller
      await this.keep(overrides)
      const what = overrides.map(describeOverride).at(-1)
      this.log.warn({ by: request.by, reason: request.reason, what }, 'override on this instance alone')
    }
    return result
  }

  /** Ends all overrides: the stored state is in force again. `why`: for the log. */
  async lift(why: string): Promise<void> {
    const lifted = this.controller.overrides.map(describeOverride)
    if (lifted.length > 0)
      this.log.warn({ lifted }, `${why}: the overrides of this instance have ended, the state of the store is in force`)
    this.controller.override([])
    await this.keep([])
  }

  /**
   * Writes the overrides to disk. They stay in force if that fails: a full disk may be the reason why they are needed.
   */
  private async keep(overrides: readonly Override[]): Promise<void> {
    try {
      await this.file.write(overrides)
    } catch (error) {
      const detail = 'the overrides of this instance could not be written to disk: they are lost when this process ends'
      this.log.error({ err: error }, detail)
    }
  }
}
