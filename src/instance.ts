import type { AddressInfo } from 'node:net'
import { resolve } from 'node:path'
import type { Logger } from 'pino'
import { type Admin, buildAdmin } from './admin/app.ts'
import { ask } from './admin/in-process.ts'
import type { CheckedConfig } from './config/check-config.ts'
import { checkService } from './config/check-service.ts'
import type { Config } from './config/config.ts'
import { logVersions } from './control/app-versions.ts'
import { InstanceTls } from './control/certificates/instance-tls.ts'
import { ConfigurationFile } from './control/configuration-file.ts'
import { Control } from './control/control.ts'
import { Deploys } from './control/deploys/deploys.ts'
import { EventSources } from './control/events/event-sources.ts'
import { Fleet } from './control/fleet/fleet.ts'
import { RememberedMembers } from './control/fleet/remembered-members.ts'
import { Self } from './control/fleet/self.ts'
import { logHandover } from './control/handover-log.ts'
import type { KeptDefinitions } from './control/handovers.ts'
import { LastReadableFile } from './control/last-readable-file.ts'
import { LocalOverrides } from './control/local-overrides.ts'
import { logLookup } from './control/lookup-log.ts'
import type { Identity, Proxies } from './control/proxies.ts'
import { RememberedNames } from './control/remembered-names.ts'
import type { Resolve } from './control/resolve.ts'
import { servicesLeft } from './control/services-left.ts'
import { UnreadableLog } from './control/unreadable-log.ts'
import { Webhooks } from './control/webhooks/webhooks.ts'
import type { ListenerTls } from './model/listener-tls.ts'
import { SecretBox } from './model/secret-box.ts'
import type { Change } from './model/state.ts'
import { DnsClient } from './net/dns-client.ts'
import type { ListenOptions } from './net/listen.ts'
import { listen } from './net/listen.ts'
import { formatListen } from './net/listen-address.ts'
import { forKey, urlOf } from './net/listen-options.ts'
import { Rollouts } from './rollout/rollouts.ts'
import { EmbeddedStore } from './store/embedded/embedded-store.ts'
import { RedisStore } from './store/redis/redis-store.ts'
import type { Snapshot, Store } from './store/store.ts'
import { StoreUnavailable, takesChanges } from './store/store.ts'
import { VERSION } from './version.ts'

/** Time after which the log says that the start still waits for the first health checks. */
const WARN_AFTER_MS = 1_000

export interface InstanceOptions {
  readonly config: Config
  /** Reads the configuration again; for SIGHUP and the API. */
  readonly load: () => Promise<CheckedConfig>
  /** Path of the configuration file, for messages. */
  readonly file: string
  readonly log: Logger
  readonly identity: Identity
  readonly proxies: Proxies
  readonly adminListen: ListenOptions
  /** URL of the admin API, if it is known before listening. */
  readonly adminAddress?: string
  /** Where preview pages are served; null = previews have no origin of their own. */
  readonly previewListen?: ListenOptions | null
  /** Max time to wait for a previous process that still has the store open, ms. */
  readonly patienceMs: number
  /** A previous process has applied the file: the store's state stands, and the file is not applied again. */
  readonly resumed: boolean
  /** Join a fleet even if the file has no service in common with it. */
  readonly joinAnyway?: boolean
  /** The state of the previous process of this instance; the instance starts with at least this state. null = none. */
  readonly known?: Snapshot | null
  /** Definitions that the previous process kept in force until the servers of new ones are up. null = none. */
  readonly kept?: KeptDefinitions | null
  /** Called with such definitions before they are in force. */
  readonly onKept?: (kept: KeptDefinitions) => void
  /** TLS of the listeners that the proxies have in force from the previous process. */
  readonly knownTls?: readonly ListenerTls[]
  /** Called with TLS of all listeners before the proxies have it. */
  readonly onTls?: (listeners: readonly ListenerTls[]) => void
  /** Called with every state before it is in force. `change`: the change that led to it; null = unknown. */
  readonly onState?: (store: Store, change: Change | null) => void
  /** Resolves definitions; default: `checkService`. */
  readonly resolve?: Resolve
  /** Called with the configuration whenever it was read again and applied. */
  readonly onConfigured?: (config: Config) => void
}

/** The deciding side of an instance: control, store and admin API. Its proxies run in this process or in workers. */
export class Instance {
  /** URL of the admin API; empty = not known yet. */
  adminAddress: string
  private readonly options: InstanceOptions
  private readonly store: Store
  private readonly control: Control
  private readonly tls: InstanceTls
  private readonly file: ConfigurationFile
  private readonly lastReadable: LastReadableFile
  private readonly remembered: RememberedMembers
  private readonly names: RememberedNames
  private readonly overrides: LocalOverrides
  private readonly self: Self
  private readonly fleet: Fleet
  private readonly deploys: Deploys
  private readonly events: EventSources
  private readonly rollouts: Rollouts
  private readonly webhooks: Webhooks
  private admin: Admin | null = null
  private stopping: Promise<void> | null = null

  private constructor(options: InstanceOptions) {
    const { config, identity, proxies, resumed, log, resolve: resolveDefinition = checkService } = options
    this.options = options
    this.adminAddress = options.adminAddress ?? ''
    const box = new SecretBox(config.store.secret)
    const redis = this.redisStore()
    this.store = redis ?? this.embeddedStore()
    const folder = resolve(config.store.path)
    const address = formatListen(config.admin.listen)
    const lastKnown = () => redis?.lastKnown ?? null
    this.lastReadable = new LastReadableFile(folder, address, lastKnown, (message) => log.warn(message))
    const { redis: topology, prefix } = config.store
    const place = { folder, instance: address, fleet: JSON.stringify([topology, prefix]) }
    this.remembered = new RememberedMembers(place, (message) => log.warn(message))
    this.names = new RememberedNames(folder, address, (message) => log.warn(message))
    this.control = new Control({
      store: this.store,
      names: {
        client: new DnsClient(config.dns),
        known: () => this.names.known,
        onKnown: (known) => this.names.keep(known),
        onLookupChange: (change) => logLookup(log, change),
      },
      resolve: resolveDefinition,
      memory: this.lastReadable,
      hooks: config.hooks,
      box,
      name: identity.name,
      fleet: {
        others: () => this.fleet.others(),
        unreadable: () => this.fleet.unreadable(),
        refresh: (timeoutMs) => this.fleet.refresh(timeoutMs),
        watch: () => this.fleet.watch(),
      },
      ticks: redis?.ticks ?? null,
      onProgress: () => {
        this.fleet.report()
        this.deploys.check()
        this.events.check()
        this.rollouts.check()
      },
      onVersionMismatch: (mismatch) => {
        logVersions(log, mismatch)
        this.events.versionsReported(mismatch)
      },
      onProbe: (key, last) => this.deploys.probed(key, last),
      onHealth: (keys) => {
        // That a server is down which DNS does not have any more is no news.
        this.events.healthChanged(keys.filter((key) => !this.control.names.services.isClosed(key)))
        this.rollouts.check()
      },
      onFuse: (trip) => this.rollouts.fuse(trip),
      onHandover: (event) => logHandover(log, event),
      ...(options.onKept && { onKept: options.onKept }),
      ...(options.onTls && { onTls: options.onTls }),
      ...(resumed &&
        options.known && { inForce: servicesLeft(options.known, options.kept ?? null, resolveDefinition) }),
    })
    this.tls = new InstanceTls({
      config,
      store: this.store,
      box,
      control: this.control,
      proxies,
      instance: identity.name,
      isAlone: redis === null,
      known: options.knownTls ?? [],
      log,
      onChange: (change) => this.events.certificateChanged(change),
      onOutcome: (outcome) => this.events.certificateOrdered(outcome),
    })
    const { certificates } = this.tls
    this.file = new ConfigurationFile(this.control, { ...options, isApplied: resumed, certificates })
    this.self = new Self({
      control: this.control,
      store: this.store,
      proxies,
      identity,
      version: VERSION,
      file: () => this.file,
      deploys: () => this.deploys.standings(),
      adminAddress: () => this.adminAddress,
    })
    this.fleet = new Fleet({
      register: redis?.register ?? null,
      id: identity.id,
      record: () => this.self.record(),
      progress: () => this.self.progress(),
      onChange: () => {
        this.control.convergence.check()
        this.deploys.check()
        this.events.check()
        this.rollouts.check()
      },
      remembered: this.remembered,
      nowMs: () => this.store.nowMs(),
      onStruck: (name, { by, reason }) => log.warn({ instance: name, by, reason }, 'an instance was struck off'),
    })
    const { control, store, fleet } = this
    this.deploys = new Deploys({ control, store, fleet, identity, log })
    this.rollouts = new Rollouts({ control, store, fleet, instance: identity.name, log })
    this.events = new EventSources({ store, control, fleet, self: this.self, version: VERSION })
    const { webhooks: settings } = config
    this.webhooks = new Webhooks({ settings, store, isAlone: fleet.isAlone, instance: identity.name, log })
    proxies.onWorkerDied = (death) => this.events.workerDied(death)
    this.overrides = new LocalOverrides({ control, store, fleet, folder, instance: address, log })
  }

  /**
   * Starts everything. Throws StoreUnusable, UnusableConfiguration, and errors of listening; nothing is left running
   * then.
   */
  static async start(options: InstanceOptions): Promise<Instance> {
    const instance = new Instance(options)
    try {
      await instance.run()
      return instance
    } catch (error) {
      // The workers of a previous process keep serving: they are not stopped, and the fleet still waits for them.
      if (!options.resumed) {
        await instance.control.proxies.stop(0, 0)
        await instance.fleet.leave()
      }
      await instance.end()
      throw error
    }
  }

  /** Reads the configuration file again and applies its changes; logs the result. */
  reloadOnSignal(): Promise<void> {
    return this.file.reloadOnSignal()
  }

  /**
   * Resolves once the first round of checks of every server is over, after `timeoutMs`, or with `stop`. Until then, the
   * health of a server is unknown.
   */
  async firstProbes(timeoutMs: number): Promise<void> {
    const warn = (message: string): void => {
      const { count, some } = this.control.undecided()
      if (count > 0) this.options.log.warn({ servers: count, some }, message)
    }
    const timer = setTimeout(warn, WARN_AFTER_MS, 'waiting for the first health checks')
    await this.control.firstProbes(timeoutMs)
    if (this.stopping === null) await this.control.syncHealth()
    clearTimeout(timer)
    if (this.stopping !== null) return
    warn('the start continues without the first health checks of some servers')
  }

  /** Answers a request to the admin API that comes from this process itself. Fails like `fetch` when there is no API. */
  readonly ask: typeof fetch = (input, init) => ask(this.admin?.api ?? null, new Request(input, init))

  /** Lets requests in flight finish, then ends. Safe to call again. */
  stop(): Promise<void> {
    this.stopping ??= this.stopGracefully()
    return this.stopping
  }

  private async run(): Promise<void> {
    const { log, proxies } = this.options
    const { onState = () => undefined } = this.options
    this.store.subscribe((_documents, change) => onState(this.store, change))
    await this.lastReadable.load()
    await this.remembered.load()
    await this.names.load()
    this.tls.followStore()
    await this.control.start()
    this.tls.stateRead(this.options.resumed)
    const { controller } = this.control
    const unreadable = new UnreadableLog(log)
    controller.watch(() => unreadable.tell(controller.cannotFollow))
    onState(this.store, null)
    this.store.onStatus(() => {
      if (!takesChanges(this.store)) return
      this.onStoreBack().catch((error: unknown) => log.error({ err: error }, 'joining the store failed'))
    })
    await this.overrides.resume()
    await this.fleet.join()
    this.deploys.start()
    const revision = await this.configure()
    await this.tls.start()
    await proxies.start(this.control, revision)
    this.control.ticks.start()
    this.events.start()
    this.webhooks.start()
    this.rollouts.start()
    this.tls.startOrders()
    await this.startAdmin()
    // The address of the admin API is known only now.
    this.fleet.announce()
  }

  /**
   * Applies the configuration file if the store can be reached; otherwise `onStoreBack` does so later. Returns the
   * revision. Throws UnusableConfiguration.
   */
  private async configure(): Promise<number> {
    try {
      if (this.store.status().up) return await this.file.applyOnce()
    } catch (error) {
      // An embedded store is on this machine, and its failures are not temporary.
      if (!(error instanceof StoreUnavailable) || this.fleet.isAlone) throw error
    }
    return this.control.state.revision
  }

  /**
   * Called when the store can be reached again and its state has been read: ends the overrides and applies the file.
   */
  private async onStoreBack(): Promise<void> {
    await this.overrides.lift('the store is back')
    await this.file.applyOnce()
  }

  private embeddedStore(): EmbeddedStore {
    const { config, patienceMs, known = null, log } = this.options
    return new EmbeddedStore({
      path: config.store.path,
      patienceMs,
      known,
      tell: (level, message) => log[level](message),
    })
  }

  private redisStore(): RedisStore | null {
    const { config, known = null, log } = this.options
    const { redis, tls, prefix, path } = config.store
    if (redis === null) return null
    return new RedisStore({
      settings: { topology: redis, tls },
      prefix,
      path,
      known,
      tell: (level, message) => log[level](message),
      // Join before reading the state: otherwise this instance could serve an old state that the others, which do not
      // know of it yet, do not wait for it to replace.
      onConnected: () => this.fleet.join(),
    })
  }

  private async startAdmin(): Promise<void> {
    const { config, log, proxies, adminListen, previewListen = null } = this.options
    const admin = await buildAdmin({
      control: this.control,
      store: this.store,
      settings: { ...config.admin, hosts: [...config.admin.hosts, ...ownHost(config)] },
      version: VERSION,
      self: this.self,
      fleet: this.fleet,
      fleetToken: config.fleet.token,
      proxies,
      log,
      overrides: this.overrides,
      deploys: this.deploys,
      webhooks: this.webhooks,
      rollouts: this.rollouts,
      file: this.file,
      tls: this.tls,
      isStopping: () => this.stopping !== null,
    })
    this.admin = admin
    // Not Fastify's own `listen`: it needs an address, which the descriptor of a socket file does not have.
    const address: AddressInfo | string | null = await forKey(
      'admin.listen',
      config.admin.listen,
      listen(admin.api.server, adminListen),
    )
    this.adminAddress = address === null ? '' : urlOf(address)
    const { preview } = config.admin
    if (admin.preview === null || preview === null || previewListen === null) return
    await forKey('admin.preview', preview, listen(admin.preview.server, previewListen))
  }

  private async stopGracefully(): Promise<void> {
    const tlsEnd = this.tls.stop()
    await this.deploys.stop()
    const { acceptForMs, timeoutMs } = this.options.config.shutdown
    const cut = await this.control.proxies.stop(acceptForMs, timeoutMs)
    if (cut > 0) this.options.log.warn({ cut }, 'requests were still in flight at shutdown.timeout and were cut')
    await this.closeAdmin()
    await this.control.ticks.stop()
    await tlsEnd
    await this.rollouts.stop()
    await this.webhooks.stop()
    this.events.leave()
    await this.fleet.leave()
    await this.end()
  }

  private async closeAdmin(): Promise<void> {
    await Promise.all([this.admin?.api.close(), this.admin?.preview?.close()])
  }

  private async end(): Promise<void> {
    this.events.stop()
    await this.tls.stop()
    await this.rollouts.stop()
    await this.webhooks.stop()
    await this.deploys.stop()
    await this.closeAdmin()
    this.fleet.stop()
    this.options.proxies.close()
    this.control.stop()
    await this.lastReadable.close()
    await this.remembered.close()
    await this.names.close()
    await this.store.close()
  }
}

/** Host name at which the other instances reach this one. */
function ownHost({ fleet: { address } }: Config): string[] {
  return address === null ? [] : [new URL(address).hostname]
}
