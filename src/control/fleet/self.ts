import { randomUUID } from 'node:crypto'
import { hostname, networkInterfaces } from 'node:os'
import type { DeployStanding, FileRecord, InstanceProgress, InstanceRecord, OverrideView } from '../../model/fleet.ts'
import type { Override } from '../../model/overrides.ts'
import { describeOverride } from '../../model/overrides.ts'
import type { Store } from '../../store/store.ts'
import type { ConfigurationFile } from '../configuration-file.ts'
import type { Control } from '../control.ts'
import { fileOf } from '../file-standing.ts'
import type { Identity, Proxies } from '../proxies.ts'
import { storeStanding } from '../store-standing.ts'

interface SelfOptions {
  readonly control: Control
  readonly store: Store
  readonly proxies: Proxies
  readonly identity: Identity
  readonly version: string
  readonly file: () => ConfigurationFile
  /** See `DeployHealth.standings`. */
  readonly deploys: () => Readonly<Record<string, DeployStanding>> | null
  /** URL that this instance's admin API listens on; empty = not listening yet. */
  readonly adminAddress: () => string
}

/** Makes the record and the progress messages that this instance publishes to the fleet. */
export class Self {
  private readonly options: SelfOptions
  private readonly boot = randomUUID()
  private sequence = 0

  constructor(options: SelfOptions) {
    this.options = options
  }

  get id(): string {
    return this.options.identity.id
  }

  get name(): string {
    return this.options.identity.name
  }

  progress(): InstanceProgress {
    const { control } = this.options
    const cannotFollow = control.cannotFollow()
    const appliedInPart = control.appliedInPartForOthers()
    const deploys = this.options.deploys()
    return {
      boot: this.boot,
      sequence: ++this.sequence,
      applied: control.appliedForOthers(),
      busy: control.progress.busy(),
      cut: control.progress.cut(),
      ...(appliedInPart === null ? {} : { appliedInPart }),
      ...(cannotFollow === null ? {} : { cannotFollow }),
      ...(deploys === null ? {} : { deploys }),
    }
  }

  record(): InstanceRecord {
    const { control, store, proxies, identity, version } = this.options
    const { id, name, startedAt } = identity
    const { inFlight, queued, held } = proxies.load(control)
    return {
      ...this.progress(),
      id,
      name,
      host: hostname(),
      address: this.address,
      version,
      startedAt,
      configuration: this.configuration(),
      overrides: control.controller.overrides.map(viewOverride),
      store: storeStanding(store, control.state.revision),
      inFlight,
      ...(Object.keys(queued).length === 0 ? {} : { queued }),
      ...(Object.keys(held).length === 0 ? {} : { held }),
      processes: proxies.processes(control),
      keepsProgress: true,
    }
  }

  private configuration(): FileRecord {
    const { config, problem } = this.options.file()
    const isEmpty = Object.keys(config.services).length === 0
    return { ...fileOf(config), ...(problem === null ? {} : { problem }), ...(isEmpty ? { isEmpty } : {}) }
  }

  /** URL at which other instances reach this instance's admin API; empty = they cannot. */
  get address(): string {
    const { address } = this.options.file().config.fleet
    if (address !== null) return address
    const own = this.options.adminAddress()
    if (!URL.canParse(own) || !own.startsWith('http:')) return ''
    const { hostname, port } = new URL(own)
    if (hostname !== '0.0.0.0' && hostname !== '[::]') return own
    const external = Object.values(networkInterfaces())
      .flatMap((addresses) => addresses ?? [])
      .find(({ internal, family }) => !internal && family === 'IPv4')
    return `http://${external?.address ?? '127.0.0.1'}:${port}`
  }
}

/** Returns an override as the API shows it. */
export function viewOverride(override: Override): OverrideView {
  const { atMs, by, reason } = override
  return { at: new Date(atMs).toISOString(), by, reason, what: describeOverride(override) }
}
