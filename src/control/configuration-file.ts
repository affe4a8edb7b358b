import { isDeepStrictEqual } from 'node:util'
import type { Logger } from 'pino'
import type { CheckedConfig } from '../config/check-config.ts'
import type { Config, Problem } from '../config/config.ts'
import { formatProblem, problemLines } from '../config/problems.ts'
import type { Request } from '../model/commands.ts'
import type { Refusal } from '../model/refusal.ts'
import type { ControlHalf } from './control-half.ts'
import type { Result } from './controller.ts'
import { applyConfiguration } from './definitions.ts'
import { fileOf, fileStanding } from './file-standing.ts'

/** What came of reading the configuration file again. */
export type Reload =
  | { readonly kind: 'applied'; readonly result: Result; readonly needRestart: readonly string[] }
  | { readonly kind: 'invalid'; readonly file: string; readonly problems: readonly Problem[] }

export interface ConfigurationFileOptions {
  readonly config: Config
  /** Reads it again. */
  readonly load: () => Promise<CheckedConfig>
  /** Shown where it is spoken of. */
  readonly file: string
  readonly log: Logger
  /** A process before this one has applied it. */
  readonly isApplied: boolean
  /** Called with the configuration whenever it was read again and applied. */
  readonly onConfigured?: (config: Config) => void
}

/** The configuration does not go together with what the store holds; the message has a line for every problem. */
export class UnusableConfiguration extends Error {
  override name = 'UnusableConfiguration'
}

/** The configuration file of this instance: applied to the state when it starts, and when it is read again. */
export class ConfigurationFile {
  config: Config
  private isApplied: boolean
  private readonly control: ControlHalf
  private readonly options: ConfigurationFileOptions

  constructor(control: ControlHalf, options: ConfigurationFileOptions) {
    this.control = control
    this.options = options
    this.config = options.config
    this.isApplied = options.isApplied
  }

  /** Applies it, unless that was done before. Returns the revision. Throws UnusableConfiguration, StoreUnavailable. */
  async applyOnce(): Promise<number> {
    if (this.isApplied) return this.control.state.revision
    const { file, log } = this.options
    const request = { by: 'configuration', reason: null, force: false, ifMatch: null }
    const apply = applyConfiguration(this.config, this.isAlone ? 'always' : 'started')
    let result = await this.control.execute(apply, request)
    if (result.kind === 'refused' && result.refusal.kind === 'unsafe') {
      // Whoever starts with this file wants it; there is nothing to go on with instead.
      log.warn(`${file} is applied all the same: ${result.refusal.detail}`)
      result = await this.control.execute(apply, { ...request, force: true })
    }
    if (result.kind === 'refused') {
      const { refusal } = result
      const problems = refusal.kind === 'invalid' ? refusal.problems.map(formatProblem).join('\n') : null
      throw new UnusableConfiguration(problems ?? JSON.stringify(refusal))
    }
    this.isApplied = true
    this.warnOfAnother()
    return result.revision
  }

  /** Reads it again and applies what has changed in it. Throws StoreUnavailable. */
  async reload(request: Request): Promise<Reload> {
    const { load, file, log, onConfigured } = this.options
    const loaded = await load()
    if (!loaded.ok) {
      log.error({ problems: problemLines(loaded.problems) }, `${file} was not applied, nothing has changed`)
      return { kind: 'invalid', file, problems: loaded.problems }
    }
    const apply = applyConfiguration(loaded.config, this.isAlone ? 'always' : 'asked')
    const result = await this.control.execute(apply, request)
    const needRestart = settingsThatDiffer(this.config, loaded.config)
    if (result.kind === 'refused')
      log.error({ refusal: inBrief(result.refusal) }, `${file} was not applied, nothing has changed`)
    else {
      const { services, servicesHash, configVersion } = loaded.config
      this.config = { ...this.config, services, servicesHash, configVersion }
      onConfigured?.(this.config)
      log.info({ revision: result.revision, changed: result.changed, needRestart }, `${file} was applied`)
    }
    return { kind: 'applied', result, needRestart }
  }

  /** There is no fleet with other files. */
  private get isAlone(): boolean {
    return this.config.store.redis === null
  }

  /** Says so when the fleet has another file in force than this one. */
  private warnOfAnother(): void {
    const { configuration } = this.control.state
    if (this.isAlone || configuration === null) return
    const own = fileOf(this.config)
    const standing = fileStanding(own, configuration)
    if (standing === 'inForce' || standing === 'newer') return
    const inForce = { hash: configuration.hash, version: configuration.version ?? null }
    const { file, log } = this.options
    log.warn(
      { file: own, inForce },
      `${file} is not the file in force in the fleet (${standing}): its services were not applied; see GET /api/instances`,
    )
  }
}

/** Settings that only a restart brings into force, such as `proxy.listen`. */
function settingsThatDiffer(before: Config, after: Config): string[] {
  return (['proxy', 'shutdown', 'admin', 'store', 'fleet'] as const).flatMap((section) => {
    const is = Object.entries(after[section])
    const was = new Map(Object.entries(before[section]))
    const differing = is.filter(([key, value]) => !isDeepStrictEqual(was.get(key), value)).map(([key]) => key)
    // As the file calls them: with units in their values, not in their names.
    return differing.map((key) => `${section}.${key.replace(/Ms$/, '')}`)
  })
}

/** A refusal as the log has it: with the first of its problems. */
function inBrief(refusal: Refusal): object {
  return refusal.kind === 'invalid' ? { kind: refusal.kind, problems: problemLines(refusal.problems) } : refusal
}
