import { isDeepStrictEqual } from 'node:util'
import type { Logger } from 'pino'
import type { CheckedConfig } from '../config/check-config.ts'
import type { Config, Problem } from '../config/config.ts'
import { formatProblem, problemLines } from '../config/problems.ts'
import type { Request } from '../model/commands.ts'
import type { Refusal } from '../model/refusal.ts'
import type { FleetTerms } from './apply-configuration.ts'
import { applyConfiguration, NO_SERVICES } from './apply-configuration.ts'
import type { ControlHalf } from './control-half.ts'
import type { Result } from './controller.ts'
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
  /** Join a fleet with a file that has no service in common with it. */
  readonly joinAnyway?: boolean
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
  /** Why the file was not applied since this instance started; null = it was, or the fleet has another one in force. */
  notApplied: string | null = null
  /** What was wrong at the last reload; null = nothing. */
  reloadFailure: string | null = null
  private isApplied: boolean
  /** The reload that a signal has asked for and that has not begun. */
  private signalled: Promise<void> | null = null
  private readonly control: ControlHalf
  private readonly options: ConfigurationFileOptions
  /** Reloads are done one after the other: the file that was read last is the one in force. */
  private reloading: Promise<unknown> = Promise.resolve()

  constructor(control: ControlHalf, options: ConfigurationFileOptions) {
    this.control = control
    this.options = options
    this.config = options.config
    this.isApplied = options.isApplied
  }

  /** What is wrong with it, in one sentence; null = nothing that is known. */
  get problem(): string | null {
    return this.reloadFailure ?? this.notApplied
  }

  /** Applies it, unless that was done before. Returns the revision. Throws UnusableConfiguration, StoreUnavailable. */
  async applyOnce(): Promise<number> {
    if (this.isApplied) return this.control.state.revision
    const { file, log } = this.options
    const request = { by: 'configuration', reason: null, force: false, ifMatch: null }
    const apply = applyConfiguration(this.config, 'start', this.fleet)
    let result = await this.control.execute(apply, request)
    if (result.kind === 'refused' && result.refusal.kind === 'unsafe') {
      // Whoever starts with this file wants it; there is nothing to go on with instead.
      log.warn(`${file} is applied all the same: ${result.refusal.detail}`)
      result = await this.control.execute(apply, { ...request, force: true })
    }
    if (result.kind === 'refused') {
      const message = describeRefusal(result.refusal)
      this.notApplied = message.split('\n')[0] ?? message
      throw new UnusableConfiguration(message)
    }
    this.isApplied = true
    this.notApplied = null
    this.warnOfAnother()
    this.warnOfHeldBack()
    return result.revision
  }

  /** Reads it again and applies what has changed in it. Throws StoreUnavailable. */
  reload(request: Request): Promise<Reload> {
    const reload = this.reloading.then(() => this.reloadNow(request))
    this.reloading = reload.catch(() => undefined)
    return reload
  }

  /** The same, on a signal: what came of it is in the log. Signals that come while one waits are one. */
  reloadOnSignal(): Promise<void> {
    this.signalled ??= this.reloading.then(() => this.reloadNext())
    return this.signalled
  }

  private async reloadNext(): Promise<void> {
    this.signalled = null
    const request = { by: 'SIGHUP', reason: null, force: false, ifMatch: null }
    await this.reload(request).catch((error: unknown) =>
      this.options.log.error({ err: error }, 'reading the configuration failed'),
    )
  }

  private async reloadNow(request: Request): Promise<Reload> {
    try {
      const reload = await this.readAndApply(request)
      this.reloadFailure = failureOf(reload)
      return reload
    } catch (error) {
      this.reloadFailure = (error as Error).message
      throw error
    }
  }

  private async readAndApply(request: Request): Promise<Reload> {
    const { load, file, log, onConfigured } = this.options
    const loaded = await load()
    const problems = !loaded.ok ? loaded.problems : loaded.config.hasServices ? [] : [NO_SERVICES]
    if (!loaded.ok || problems.length > 0) {
      log.error({ problems: problemLines(problems) }, `${file} was not applied, nothing has changed`)
      return { kind: 'invalid', file, problems }
    }
    const result = await this.control.execute(applyConfiguration(loaded.config, 'reload', this.fleet), request)
    const needRestart = settingsThatDiffer(this.config, loaded.config)
    if (result.kind === 'refused')
      log.error({ refusal: inBrief(result.refusal) }, `${file} was not applied, nothing has changed`)
    else {
      const { services, servicesHash, configVersion } = loaded.config
      this.config = { ...this.config, services, servicesHash, configVersion }
      this.isApplied = true
      this.notApplied = null
      onConfigured?.(this.config)
      log.info({ revision: result.revision, changed: result.changed, needRestart }, `${file} was applied`)
    }
    return { kind: 'applied', result, needRestart }
  }

  /** Null: there is no fleet with other files. */
  private get fleet(): FleetTerms | null {
    const { redis, prefix } = this.config.store
    return redis === null ? null : { prefix, joinAnyway: this.options.joinAnyway ?? false }
  }

  /** Says so when the fleet has another file in force than this one. */
  private warnOfAnother(): void {
    const { configuration } = this.control.state
    if (this.fleet === null || configuration === null) return
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

  private warnOfHeldBack(): void {
    const { configuration } = this.control.state
    if (configuration?.heldBack === undefined) return
    const { file, log } = this.options
    log.warn(`${file}: ${describeHeldBack(configuration.heldBack)}`)
  }
}

/** What stands although the file in force says otherwise, and what ends it. */
export function describeHeldBack(services: readonly string[]): string {
  return `a start takes no service, host or path away from a fleet; POST /api/config/reload does, for ${services.join(', ')}`
}

function describeRefusal(refusal: Refusal): string {
  if (refusal.kind === 'invalid') return problemLines(refusal.problems).join('\n')
  if (refusal.kind === 'moved') return `the state is at revision ${refusal.actual}, not ${refusal.expected} as expected`
  return 'detail' in refusal ? refusal.detail : JSON.stringify(refusal)
}

/** What was wrong at a reload, its first problem; null = nothing. */
function failureOf(reload: Reload): string | null {
  if (reload.kind === 'invalid') {
    const [first] = reload.problems
    return first === undefined ? null : formatProblem(first)
  }
  const { result } = reload
  return result.kind === 'refused' ? (describeRefusal(result.refusal).split('\n')[0] ?? null) : null
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
