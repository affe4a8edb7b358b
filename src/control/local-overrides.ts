import { join } from 'node:path'
import type { Logger } from 'pino'
import type { Request } from '../model/commands.ts'
import type { LocalCommand, Override } from '../model/overrides.ts'
import { describeOverride } from '../model/overrides.ts'
import type { Store } from '../store/store.ts'
import { takesChanges } from '../store/store.ts'
import type { Control } from './control.ts'
import type { Controller, Result } from './controller.ts'
import type { Fleet } from './fleet/fleet.ts'
import { OverridesFile } from './overrides-file.ts'

export interface LocalOverridesOptions {
  readonly control: Control
  readonly store: Store
  readonly fleet: Pick<Fleet, 'refresh' | 'heardForMs'>
  /** Folder of the last known state. */
  readonly folder: string
  /** Tells this instance from others that use the folder. */
  readonly instance: string
  readonly log: Logger
}

/**
 * Commands carried out on this instance alone while the store is away or takes no changes. They survive a restart, and
 * end when the store takes changes again.
 */
export class LocalOverrides {
  private readonly control: Control
  private readonly store: Store
  private readonly fleet: LocalOverridesOptions['fleet']
  private readonly log: Logger
  private readonly file: OverridesFile
  /** Number of commands that are about to make this instance differ from the state. */
  private waiting = 0

  constructor({ control, store, fleet, folder, instance, log }: LocalOverridesOptions) {
    this.control = control
    this.store = store
    this.fleet = fleet
    this.log = log
    this.file = new OverridesFile(join(folder, `overrides-${encodeURIComponent(instance)}.json`))
  }

  private get controller(): Controller {
    return this.control.controller
  }

  /** Restores the overrides of the previous process, unless the store takes changes. */
  async resume(): Promise<void> {
    if (takesChanges(this.store)) await this.keep([])
    else this.controller.override(await this.file.read())
  }

  /**
   * Carries out a command on this instance; refused while the store takes changes. A command that may open a server
   * first waits until no other instance counts on this one following the state: they were told, or its last record is
   * so old that they know it to be out of touch. Otherwise one of them could call that server drained.
   */
  async execute(command: LocalCommand, request: Request): Promise<Result> {
    if (!mayOpen(command) || takesChanges(this.store)) return this.carryOut(command, request)
    this.waiting++
    this.control.isDiverging = true
    try {
      await this.fleet.refresh(this.fleet.heardForMs)
      return await this.carryOut(command, request)
    } finally {
      this.waiting--
      this.control.isDiverging = this.waiting > 0
    }
  }

  private async carryOut(command: LocalCommand, request: Request): Promise<Result> {
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

/** Whether a command may send requests to a server that takes none now. */
function mayOpen(command: LocalCommand): boolean {
  return command.kind === 'switch' || command.state === 'ready'
}
