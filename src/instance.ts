import { createServer } from 'node:net'
import { resolve } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import type { Logger } from 'pino'
import packageJson from '../package.json' with { type: 'json' }
import { buildAdmin } from './admin/app.ts'
import type { Reload } from './admin/context.ts'
import { withoutSecrets } from './admin/secrets.ts'
import { formatListen } from './config/addresses.ts'
import type { CheckedConfig } from './config/check-config.ts'
import { checkService } from './config/check-service.ts'
import type { Config } from './config/config.ts'
import { formatProblem } from './config/problems.ts'
import { ControlHalf } from './control/control-half.ts'
import type { Result } from './control/controller.ts'
import { applyConfiguration } from './control/definitions.ts'
import { fileOf, fileStanding } from './control/file-standing.ts'
import { Fleet } from './control/fleet.ts'
import { OverridesFile } from './control/overrides-file.ts'
import type { Identity, Proxies } from './control/proxies.ts'
import { Self } from './control/self.ts'
import type { Request } from './model/commands.ts'
import type { LocalCommand } from './model/overrides.ts'
import { describeOverride } from './model/overrides.ts'
import { urlOf } from './process/listen-options.ts'
import type { ListenOptions } from './proxy/client/listen.ts'
import { listen } from './proxy/client/listen.ts'
import { EmbeddedStore } from './store/embedded/embedded-store.ts'
import { RedisStore } from './store/redis/redis-store.ts'
import type { Store } from './store/store.ts'
import { StoreUnavailable } from './store/store.ts'

export interface InstanceOptions {
  readonly config: Config
  /** Reads the configuration again; for SIGHUP and the API. */
  readonly load: () => Promise<CheckedConfig>
  /** Shown where the file is spoken of. */
  readonly file: string
  readonly log: Logger
  readonly identity: Identity
  readonly proxies: Proxies
  readonly adminListen: ListenOptions
  /** How long to wait for a process of an instance before this one that still has the store, ms. */
  readonly patienceMs: number
  /** The store's state holds as it is: the file was applied by a process before this one. */
  readonly resumed: boolean
  /** Called with the configuration whenever it was read again and applied. */
  readonly onConfigured?: (config: Config) => void
}

/** The configuration does not go together with what the store holds; the message has a line for every problem. */
export class UnusableConfiguration extends Error {
  override name = 'UnusableConfiguration'
}

/** The side of an instance that decides: control half, store and admin API, over its proxy halves wherever they are. */
export class Instance {
  adminAddress = ''
  private config: Config
  private readonly options: InstanceOptions
  private readonly store: Store
  private readonly control: ControlHalf
  private readonly self: Self
  private readonly fleet: Fleet
  private readonly overridesFile: OverridesFile
  private admin: Awaited<ReturnType<typeof buildAdmin>> | null = null
  private isConfigured: boolean
  private stopping: Promise<void> | null = null

  private constructor(options: InstanceOptions) {
    const { config, identity, proxies } = options
    this.options = options
    this.config = config
    this.isConfigured = options.resumed
    const redis = this.redisStore()
    this.store = redis ?? new EmbeddedStore({ path: config.store.path, patienceMs: options.patienceMs })
    this.control = new ControlHalf({
      store: this.store,
      resolve: checkService,
      name: identity.name,
      others: () => this.fleet.others(),
      onProgress: () => this.fleet.report(),
    })
    this.self = new Self({
      control: this.control,
      proxies,
      identity,
      version: packageJson.version,
      config: () => this.config,
      adminAddress: () => this.adminAddress,
    })
    this.fleet = new Fleet({
      register: redis?.register ?? null,
      id: identity.id,
      record: () => this.self.record(),
      progress: () => this.self.progress(),
      onChange: () => this.control.convergence.check(),
    })
    this.overridesFile = new OverridesFile(resolve(config.store.path), formatListen(config.admin.listen))
  }

  /** Starts everything. Throws StoreUnusable, UnusableConfiguration, and what listening throws; nothing is left running then. */
  static async start(options: InstanceOptions): Promise<Instance> {
    const instance = new Instance(options)
    try {
      await instance.run()
      return instance
    } catch (error) {
      await instance.control.stopProxies(0, 0)
      await instance.end()
      throw error
    }
  }

  /** Reads the configuration file again and applies what has changed in it. */
  async reload(request: Request): Promise<Reload> {
    const { load, file, log } = this.options
    const loaded = await load()
    if (!loaded.ok) {
      log.error({ problems: loaded.problems.map(formatProblem) }, `${file} was not applied, nothing has changed`)
      return { kind: 'invalid', file, problems: loaded.problems }
    }
    const result = await this.control.execute(
      applyConfiguration(loaded.config, this.isAlone ? 'always' : 'asked'),
      request,
    )
    const needRestart = settingsThatDiffer(this.config, loaded.config)
    if (result.kind === 'refused')
      log.error({ refusal: result.refusal }, `${file} was not applied, nothing has changed`)
    else {
      const { services, servicesHash, configVersion } = loaded.config
      this.config = { ...this.config, services, servicesHash, configVersion }
      this.options.onConfigured?.(this.config)
      log.info({ revision: result.revision, changed: result.changed, needRestart }, `${file} was applied`)
    }
    return { kind: 'applied', result, needRestart }
  }

  /** Resolves once every server has been probed once, or after `timeoutMs`: until then none is known to be up. */
  firstProbes(timeoutMs: number): Promise<void> {
    return this.control.firstProbes(timeoutMs)
  }

  /** Lets what is under way finish, then ends. Safe to call again. */
  stop(): Promise<void> {
    this.stopping ??= this.stopGently()
    return this.stopping
  }

  private async run(): Promise<void> {
    const { config, log, proxies } = this.options
    await this.control.start(await this.overridesFile.read())
    await this.fleet.join()
    this.store.onStatus(({ up }) => {
      if (up) void this.onStoreBack().catch((error: unknown) => log.error({ err: error }, 'joining the store failed'))
    })
    const isUp = this.store.status().up
    if (isUp) await this.overridesFile.write([])
    const revision = this.isConfigured || !isUp ? this.control.state.revision : await this.configure(config)
    for (const { name, problems } of this.control.controller.invalid) {
      log.error(
        { service: name, problems: problems.map(formatProblem) },
        'a stored service cannot be used and is left out',
      )
    }
    await proxies.start(this.control, revision)
    await this.startAdmin()
  }

  /** Applies the configuration to the state of the store; returns the revision. Throws UnusableConfiguration. */
  private async configure(config: Config): Promise<number> {
    const request = { by: 'configuration', reason: null, force: false, ifMatch: null }
    const apply = applyConfiguration(config, this.isAlone ? 'always' : 'started')
    let result = await this.control.execute(apply, request)
    if (result.kind === 'refused' && result.refusal.kind === 'unsafe') {
      // Whoever starts with this file wants it; there is nothing to go on with instead.
      this.options.log.warn(`${this.options.file} is applied all the same: ${result.refusal.detail}`)
      result = await this.control.execute(apply, { ...request, force: true })
    }
    if (result.kind === 'done') {
      this.isConfigured = true
      this.warnOfOtherFile()
      return result.revision
    }
    const { refusal } = result
    throw new UnusableConfiguration(
      refusal.kind === 'invalid' ? refusal.problems.map(formatProblem).join('\n') : JSON.stringify(refusal),
    )
  }

  private get isAlone(): boolean {
    return this.config.store.redis === null
  }

  private redisStore(): RedisStore | null {
    const { config, log } = this.options
    const { redis, tls, prefix, path } = config.store
    if (redis === null) return null
    return new RedisStore({
      settings: { topology: redis, tls },
      prefix,
      path,
      tell: (level, message) => log[level](message),
      // Who is not known of yet must not serve what others wait to be rid of: first known, then reading the state.
      onConnected: () => this.fleet.join(),
    })
  }

  /** Says so when the fleet has another file in force than ours. */
  private warnOfOtherFile(): void {
    const { configuration } = this.control.state
    if (this.isAlone || configuration === null) return
    const standing = fileStanding(fileOf(this.config), configuration)
    if (standing === 'inForce' || standing === 'newer') return
    const { file, log } = this.options
    log.warn(
      { file: fileOf(this.config), inForce: { hash: configuration.hash, version: configuration.version ?? null } },
      `${file} is not the file in force in the fleet (${standing}); its services were not applied. See GET /api/instances`,
    )
  }

  /** The store can be reached again, and its state is here: what was done without it ends. */
  private async onStoreBack(): Promise<void> {
    const { controller } = this.control
    if (controller.overrides.length > 0) {
      const lifted = controller.overrides.map(describeOverride)
      this.options.log.warn({ lifted }, 'the store is back: what was overridden on this instance is as the store says')
    }
    await this.liftOverrides()
    if (this.isConfigured) return
    try {
      await this.configure(this.config)
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error
    }
  }

  private async overrideHere(command: LocalCommand, request: Request): Promise<Result> {
    const { log } = this.options
    if (this.store.status().up) {
      const detail = this.isAlone
        ? 'This instance has a store of its own, and is all there is: leave out scope=local.'
        : 'The store is there, and would end this at once: leave out scope=local.'
      return { kind: 'refused', refusal: { kind: 'conflict', detail } }
    }
    const result = this.control.controller.executeHere(command, request)
    if (result.kind === 'done' && result.changed) {
      const { overrides } = this.control.controller
      await this.overridesFile.write(overrides)
      log.warn(
        { by: request.by, reason: request.reason, what: overrides.map(describeOverride).at(-1) },
        'overridden here',
      )
    }
    return result
  }

  private async liftOverrides(): Promise<void> {
    this.control.controller.lift()
    await this.overridesFile.write([])
  }

  private async startAdmin(): Promise<void> {
    const { config, log, proxies, adminListen } = this.options
    const admin = await buildAdmin({
      control: this.control,
      store: this.store,
      settings: config.admin,
      version: packageJson.version,
      self: this.self,
      fleet: this.fleet,
      fleetToken: config.fleet.token,
      proxies,
      log,
      overrideHere: (command, request) => this.overrideHere(command, request),
      liftOverrides: () => this.liftOverrides(),
      reload: (request) => this.reload(request),
      configuration: () => shown(this.config),
      isStopping: () => this.stopping !== null,
    })
    this.admin = admin
    if ('path' in adminListen) await clearAway(adminListen.path)
    // Of a descriptor the rest says nothing; Fastify must not look for a host.
    await admin.listen('fd' in adminListen ? { ...adminListen, host: '127.0.0.1', port: 0 } : adminListen)
    const address = admin.server.address()
    this.adminAddress = address === null ? '' : urlOf(address)
  }

  private async stopGently(): Promise<void> {
    const { acceptForMs, timeoutMs } = this.config.shutdown
    const cut = await this.control.stopProxies(acceptForMs, timeoutMs)
    if (cut > 0) this.options.log.warn({ cut }, 'requests were still under way at shutdown.timeout and were cut')
    await this.end()
  }

  private async end(): Promise<void> {
    await this.admin?.close()
    await this.fleet.leave()
    this.options.proxies.close()
    this.control.stop()
    await this.store.close()
  }
}

/** Removes a socket file that a killed process has left behind. Throws when somebody listens there. */
async function clearAway(path: string): Promise<void> {
  const server = createServer()
  await listen(server, { path })
  await new Promise((resolve) => server.close(resolve))
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

/** The configuration without secrets. */
function shown(config: Config): object {
  const tokens = config.admin.tokens.map(({ name, role }) => ({ name, role }))
  return {
    ...config,
    admin: { ...config.admin, tokens },
    store: { ...config.store, redis: shownRedis(config.store.redis) },
    fleet: { ...config.fleet, token: config.fleet.token === null ? null : '(hidden)' },
    services: withoutSecrets(config.services),
  }
}

/** Where Redis is, without passwords. */
function shownRedis(redis: Config['store']['redis']): object | null {
  if (redis === null) return null
  if (redis.kind !== 'single') {
    const secret = Object.keys(redis).filter((key) => key.toLowerCase().endsWith('password'))
    return { ...redis, ...Object.fromEntries(secret.map((key) => [key, '(hidden)'])) }
  }
  const url = redis.url.replace(
    /^(\w+:\/\/)([^@/]*)@/,
    (_, scheme, login) => `${scheme}${String(login).split(':')[0]}:(hidden)@`,
  )
  return { kind: 'single', url }
}
