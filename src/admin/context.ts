import type { Logger } from 'pino'
import type { AdminSettings } from '../config/config.ts'
import type { ConfigurationFile } from '../control/configuration-file.ts'
import type { ControlHalf } from '../control/control-half.ts'
import type { Fleet } from '../control/fleet/fleet.ts'
import type { Self } from '../control/fleet/self.ts'
import type { LocalOverrides } from '../control/local-overrides.ts'
import type { Proxies } from '../control/proxies.ts'
import type { Store } from '../store/store.ts'

/** What the admin API speaks for. */
export interface AdminContext {
  readonly control: ControlHalf
  readonly store: Store
  readonly settings: AdminSettings
  readonly version: string
  readonly self: Self
  readonly fleet: Fleet
  /** What instances show each other; null = callers' own tokens are handed on. */
  readonly fleetToken: string | null
  readonly proxies: Proxies
  readonly log: Logger
  readonly file: ConfigurationFile
  readonly overrides: LocalOverrides
  /** The process is on its way out. */
  isStopping(): boolean
}
