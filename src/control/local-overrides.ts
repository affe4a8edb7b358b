import { join } from 'node:path'
import type { Logger } from 'pino'
import type { Request } from '../model/commands.ts'
import type { LocalCommand } from '../model/overrides.ts'
import { describeOverride } from '../model/overrides.ts'
import type { Store } from '../store/store.ts'
import type { Controller, Result } from './controller.ts'
import { OverridesFile } from './overrides-file.ts'

/** What is done to this instance alone while the store is away. It survives a restart, and ends when the store is back. */
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

  /** Goes on with those of the process before this one, unless the store is there. */
  async resume(): Promise<void> {
    if (this.store.status().up) await this.file.write([])
    else this.controller.override(await this.file.read())
  }

  /** Carries out a command on this instance. Throws what the disk says. */
  async execute(command: LocalCommand, request: Request): Promise<Result> {
    if (this.store.status().up) {
      const detail = 'scope=local is for when the store is away; it is there, and would end this at once. Leave it out.'
      return { kind: 'refused', refusal: { kind: 'conflict', detail } }
    }
    const result = this.controller.executeHere(command, request)
    if (result.kind === 'done' && result.changed) {
      const { overrides } = this.controller
      await this.file.write(overrides)
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
    await this.file.write([])
  }
}
