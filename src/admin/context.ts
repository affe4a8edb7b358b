import type { Logger } from 'pino'
import type { AdminSettings, Problem } from '../config/config.ts'
import type { ControlHalf } from '../control/control-half.ts'
import type { Result } from '../control/controller.ts'
import type { Fleet } from '../control/fleet.ts'
import type { Proxies } from '../control/proxies.ts'
import type { Self } from '../control/self.ts'
import type { Request } from '../model/commands.ts'
import type { LocalCommand } from '../model/overrides.ts'
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
  readonly self: Self
  readonly fleet: Fleet
  /** What instances show each other; null = callers' own tokens are handed on. */
  readonly fleetToken: string | null
  readonly proxies: Proxies
  readonly log: Logger
  /** Reads the configuration file again and applies it. */
  reload(request: Request): Promise<Reload>
  /** The configuration in force, secrets left out. */
  configuration(): object
  /** Carries out a command on this instance alone. */
  overrideHere(command: LocalCommand, request: Request): Promise<Result>
  /** Ends all overrides of this instance. */
  liftOverrides(): Promise<void>
  /** The process is on its way out. */
  isStopping(): boolean
}
