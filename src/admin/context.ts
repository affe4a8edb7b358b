import type { Logger } from 'pino'
import type { AdminSettings, Problem } from '../config/config.ts'
import type { ControlHalf } from '../control/control-half.ts'
import type { Result } from '../control/controller.ts'
import type { Identity, Proxies } from '../control/proxies.ts'
import type { Request } from '../model/commands.ts'
import type { Store } from '../store/store.ts'

/** What came of reading the configuration file again. */
export type Reload =
  | { readonly kind: 'applied'; readonly result: Result; readonly needRestart: readonly string[] }
  | { readonly kind: 'invalid'; readonly file: string; readonly problems: readonly Problem[] }

/** What the admin API speaks for. */
export interface AdminContext {
  readonly control: ControlHalf
  readonly store: Store
  readonly settings: AdminSettings
  readonly version: string
  readonly identity: Identity
  readonly proxies: Proxies
  /** Where the admin API is reached. */
  address(): string
  readonly log: Logger
  /** Reads the configuration file again and applies it. */
  reload(request: Request): Promise<Reload>
  /** The configuration in force, secrets left out. */
  configuration(): object
  /** The process is on its way out. */
  isStopping(): boolean
}
