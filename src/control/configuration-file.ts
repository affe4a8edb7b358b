import { isDeepStrictEqual } from 'node:util'
import type { Logger } from 'pino'
import type { CheckedConfig } from '../config/check-config.ts'
import type { Config, Problem } from '../config/config.ts'
import { formatProblem, problemLines } from '../config/problems.ts'
import type { Request } from '../model/commands.ts'
import { own } from '../model/names.ts'
import type { Refusal } from '../model/refusal.ts'
import type { FleetTerms } from './apply-configuration.ts'
import { applyConfiguration, NO_SERVICES } from './apply-configuration.ts'
import type { ListenerCertificates } from './certificates/listener-certificates.ts'
import type { Control } from './control.ts'
import type { Result } from './controller.ts'
import { fileOf, fileStanding } from './file-standing.ts'

/** Result of a reload of the configuration file. */
export type Reload =
  | { readonly kind: 'applied'; readonly result: Result; readonly needRestart: readonly string[] }
  | { readonly kind: 'invalid'; readonly file: string; readonly problems: readonly Problem[] }

export interface ConfigurationFileOptions {
  readonly config: Config
  /** Reads and checks the file again. */
  readonly load: () => Promise<CheckedConfig>
  /** Name of the file, for messages. */
  readonly file: string
  readonly log: Logger
  /** The previous process of this instance has applied the file. */
  readonly isApplied: boolean
  /** Join a fleet even if the file has no service in common with it. */
  readonly joinAnyway?: boolean
  /** Called with the new configuration after every reload that was applied. */
  readonly onConfigured?: (config: Config) => void
  /** Those of the listeners; absent = a reload leaves TLS as it is. */
  readonly certificates?: ListenerCertificates
}

/** The configuration conflicts with the state in the store; the message has a line for each of the first problems. */
export class UnusableConfiguration extends Error {
  override name = 'UnusableConfiguration'
  readonly problems: readonly Problem[]

  constructor(refusal: Refusal) {
    const message = describeRefusal(refusal)
    super(message)
    this.problems = refusal.kind === 'invalid' ? refusal.problems : [{ path: '', message }]
  }
}

/** The configuration file of this instance. Applies it to the state at the start and at reloads. */
export class ConfigurationFile {
  config: Config
  /**
   * Why the file was not applied since this instance started; null = it was, or another file is in force in the fleet.
   */
  notApplied: string | null = null
  /** Why the last reload failed; null = it did not. */
  reloadFailure: string | null = null
  private isApplied: boolean
  /** The reload requested by a signal that has not begun yet. */
  private signalled: Promise<void> | null = null
  private readonly control: Control
  private readonly options: ConfigurationFileOptions
  /** Serializes reloads, so that the file that was read last is the one in force. */
  private reloading: Promise<unknown> = Promise.resolve()

  constructor(control: Control, options: ConfigurationFileOptions) {
    this.control = control
    this.options = options
    this.config = options.config
    this.isApplied = options.isApplied
  }

  /** Problem with the file, in one sentence; null = none known. */
  get problem(): string | null {
    return this.reloadFailure ?? this.notApplied
  }

  /** Services of the applied file that were removed through the API since. */
  get removedServices(): readonly string[] {
    const { services, configuration } = this.control.state
    const applied = configuration?.services ?? {}
    return Object.keys(this.config.services).filter(
      (name) => own(applied, name) !== undefined && own(services, name) === undefined,
    )
  }

  /**
   * Applies the file unless it was applied before. Returns the revision. Throws UnusableConfiguration,
   * StoreUnavailable.
   */
  async applyOnce(): Promise<number> {
    if (this.isApplied) return this.control.state.revision
    const { file, log } = this.options
    const request = { by: 'configuration', reason: null, force: false, ifMatch: null }
    const apply = applyConfiguration(this.config, 'start', this.fleet)
    let result = await this.control.execute(apply, request)
    if (result.kind === 'refused' && result.refusal.kind === 'unsafe') {
      // A start has no other file to go on with.
      log.warn(`${file} is applied all the same: ${result.refusal.detail}`)
      result = await this.control.execute(apply, { ...request, force: true })
    }
    if (result.kind === 'refused') {
      const unusable = new UnusableConfiguration(result.refusal)
      this.notApplied = unusable.message.split('\n')[0] ?? unusable.message
      throw unusable
    }
    this.isApplied = true
    this.notApplied = null
    this.warnOfAnother()
    this.warnOfHeldBack()
    return result.revision
  }

  /**
   * Reads the file again and applies its changes. `restore`: creates services again that the file has and that were
   * removed through the API. Throws StoreUnavailable.
   */
  reload(request: Request, restore = false): Promise<Reload> {
    const reload = this.reloading.then(() => this.reloadNow(request, restore))
    this.reloading = reload.catch(() => undefined)
    return reload
  }

  /** Reloads on a signal; the result goes to the log. Signals that arrive before the reload begins share it. */
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

  private async reloadNow(request: Request, restore: boolean): Promise<Reload> {
    try {
      const reload = await this.readAndApply(request, restore)
      this.reloadFailure = failureOf(reload)
      return reload
    } catch (error) {
      this.reloadFailure = (error as Error).message
      throw error
    }
  }

  private async readAndApply(request: Request, restore: boolean): Promise<Reload> {
    const { load, file, log, onConfigured, certificates } = this.options
    const loaded = await load()
    const problems = !loaded.ok ? loaded.problems : loaded.config.hasServices ? [] : [NO_SERVICES]
    if (!loaded.ok || problems.length > 0) return this.notUsable(problems)
    const tls = (await certificates?.prepare(loaded.config.proxy.listen)) ?? null
    if (tls !== null && !('listeners' in tls)) return this.notUsable(tls)
    const { hooks } = this.control
    const before = hooks.current
    const problem = await hooks.use(loaded.config.hooks)
    if (problem !== null) {
      await certificates?.abandon()
      return this.notUsable([{ path: 'proxy.hooks', message: `${problem.place}: ${problem.message}` }])
    }
    const apply = applyConfiguration(loaded.config, 'reload', this.fleet, restore)
    let isApplied = false
    let result: Result
    try {
      result = await this.control.execute(apply, request)
      isApplied = result.kind !== 'refused'
    } finally {
      if (!isApplied) {
        await hooks.use(before)
        await certificates?.abandon()
      }
    }
    if (isApplied && tls !== null) await certificates?.commit(tls)
    const listen = certificates?.withTlsOf(loaded.config.proxy.listen) ?? this.config.proxy.listen
    const inForce = { ...this.config, proxy: { ...this.config.proxy, listen } }
    const needRestart = settingsThatDiffer(inForce, loaded.config)
    if (result.kind === 'refused')
      log.error({ refusal: inBrief(result.refusal) }, `${file} was not applied, nothing has changed`)
    else {
      const { services, servicesHash, configVersion } = loaded.config
      this.config = { ...inForce, services, servicesHash, configVersion, hooks: loaded.config.hooks }
      this.isApplied = true
      this.notApplied = null
      onConfigured?.(this.config)
      log.info({ revision: result.revision, changed: result.changed, needRestart }, `${file} was applied`)
    }
    return { kind: 'applied', result, needRestart }
  }

  private notUsable(problems: readonly Problem[]): Reload {
    const { file, log } = this.options
    log.error({ problems: problemLines(problems) }, `${file} was not applied, nothing has changed`)
    return { kind: 'invalid', file, problems }
  }

  /** null = no fleet: only this instance uses the store. */
  private get fleet(): FleetTerms | null {
    const { redis, prefix } = this.config.store
    return redis === null ? null : { prefix, joinAnyway: this.options.joinAnyway ?? false }
  }

  /** Logs a warning if another file is in force in the fleet. */
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

  /** Logs a warning if removals of this file were held back. */
  private warnOfHeldBack(): void {
    const { configuration } = this.control.state
    if (configuration?.heldBack === undefined) return
    const { file, log } = this.options
    log.warn(`${file}: ${describeHeldBack(configuration.heldBack)}`)
  }
}

/** Describes services that were held back at a start, and how to apply the file to them. */
export function describeHeldBack(services: readonly string[]): string {
  return `a start removes no services, hosts or paths from a fleet; to remove those of ${services.join(', ')}, POST /api/config/reload`
}

function describeRefusal(refusal: Refusal): string {
  if (refusal.kind === 'invalid') return problemLines(refusal.problems).join('\n')
  if (refusal.kind === 'moved') return `the state is at revision ${refusal.actual}, not ${refusal.expected} as expected`
  return 'detail' in refusal ? refusal.detail : JSON.stringify(refusal)
}

/** The first problem of a reload; null = it was applied. */
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
  const webhooks = isDeepStrictEqual(before.webhooks, after.webhooks) ? [] : ['webhooks']
  const sections = (['proxy', 'shutdown', 'admin', 'store', 'fleet', 'telemetry', 'dns'] as const).flatMap(
    (section) => {
      const is = Object.entries(after[section])
      const was = new Map(Object.entries(before[section]))
      const differing = is.filter(([key, value]) => !isDeepStrictEqual(was.get(key), value)).map(([key]) => key)
      // Named as in the file, where units are in the values and not in the names.
      return differing.map((key) => `${section}.${key.replace(/Ms$/, '')}`)
    },
  )
  return [...sections, ...webhooks]
}

/** A refusal for the log, with its problems as lines of text. */
function inBrief(refusal: Refusal): object {
  return refusal.kind === 'invalid' ? { kind: refusal.kind, problems: problemLines(refusal.problems) } : refusal
}
