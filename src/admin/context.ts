import type { Logger } from 'pino'
import type { AdminSettings } from '../config/config.ts'
import type { InstanceTls } from '../control/certificates/instance-tls.ts'
import type { ConfigurationFile } from '../control/configuration-file.ts'
import type { Control } from '../control/control.ts'
import type { Deploys } from '../control/deploys/deploys.ts'
import type { Fleet } from '../control/fleet/fleet.ts'
import type { Self } from '../control/fleet/self.ts'
import type { LocalOverrides } from '../control/local-overrides.ts'
import type { Proxies } from '../control/proxies.ts'
import type { Webhooks } from '../control/webhooks/webhooks.ts'
import type { Rollouts } from '../rollout/rollouts.ts'
import type { Store } from '../store/store.ts'

/** The parts of an instance that the admin API reads and changes. */
export interface AdminContext {
  readonly control: Control
  readonly store: Store
  readonly settings: AdminSettings
  readonly version: string
  readonly self: Self
  readonly fleet: Fleet
  /** The token of instances for each other; null = the caller's own token is passed on. */
  readonly fleetToken: string | null
  readonly proxies: Proxies
  readonly log: Logger
  readonly file: ConfigurationFile
  readonly overrides: LocalOverrides
  readonly deploys: Deploys
  readonly webhooks: Webhooks
  readonly rollouts: Rollouts
  readonly tls: Pick<InstanceTls, 'certificates' | 'orders' | 'sealProblem'>
  /** Whether the process is shutting down. */
  isStopping(): boolean
}
