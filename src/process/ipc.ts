import type { Config, ProxySettings } from '../config/config.ts'
import type { Identity, WorkerDeath } from '../control/proxies.ts'
import type { HttpsRedirect } from '../model/https-redirect.ts'
import type { ListenerTls } from '../model/listener-tls.ts'
import type { Vitals } from '../model/messages.ts'
import type { TracingSettings } from '../model/tracing.ts'
import type { StateCopy, StateMessage } from './state-copy.ts'

export interface RosterEntry {
  readonly name: string
  readonly pid: number
  /** The process has sent no sign of life for a while (`watchdog.ts`). */
  readonly isHung: boolean
}

/** The workers as known to the supervisor. */
export interface Roster {
  /** Workers that accept requests, or only finish the ones they have. */
  readonly workers: readonly RosterEntry[]
  /** Number of workers that have ended unexpectedly so far. */
  readonly restarts: number
  /** The latest of them, oldest first. */
  readonly deaths: readonly WorkerDeath[]
  /** Description of the problem for people; null = there is none. */
  readonly trouble: string | null
}

/** A listener that is handed to a worker. */
export interface HandedListener {
  readonly fd: number
  /** Name in metrics: `127.0.0.1:8080`, `unix:/path`, `fd:3`. */
  readonly name: string
  readonly proxyProtocol: boolean
  /** Its position in messages about TLS; absent = its connections are plain. */
  readonly tlsOf?: number
  readonly redirect: HttpsRedirect | null
  readonly h2c: boolean
}

export interface WorkerInit {
  readonly type: 'worker'
  readonly name: string
  readonly slot: number
  /** Number of workers that share the limits. */
  readonly workers: number
  readonly proxy: ProxySettings
  /** null = off. */
  readonly tracing: TracingSettings | null
  readonly listeners: readonly HandedListener[]
  /** Path of the control process's socket file. */
  readonly wire: string
}

export interface ControlInit {
  readonly type: 'control'
  readonly config: Config
  /** Path of the configuration file. */
  readonly file: string
  /**
   * A previous control process has applied the file already: the store's state stands, and the file is not applied
   * again.
   */
  readonly resumed: boolean
  /** Join a fleet even if the file has no service in common with it. */
  readonly joinAnyway: boolean
  /** The state that the previous control process had; null = there was none. */
  readonly state: StateCopy | null
  readonly identity: Identity
  /** Names of the listeners for clients, in their order. */
  readonly listeners: readonly string[]
  /** TLS that the workers have in force from the previous control process. */
  readonly tls: readonly ListenerTls[]
  /** URL of the admin API; the supervisor holds its socket. */
  readonly adminAddress: string
  readonly adminFd: number
  /** null = previews have no origin of their own. */
  readonly previewFd: number | null
  readonly wire: string
  readonly roster: Roster
}

/** Messages of the supervisor to its children. */
export type ToChild =
  | WorkerInit
  | ControlInit
  /**
   * To a worker: accept connections from the attached socket, too. It belongs to a slot whose worker is missing or
   * hung.
   */
  | { readonly type: 'adopt'; readonly slot: number; readonly listener: number }
  /** To a worker: stop accepting from the sockets of this slot; its own worker is back. */
  | { readonly type: 'release'; readonly slot: number }
  /**
   * To a worker that has been replaced: finish and exit. To control: stop all workers, then exit. null = no time limit.
   */
  | { readonly type: 'stop'; readonly timeoutMs: number | null }
  /** To a worker, if no control process can tell it: the whole instance is stopping. */
  | { readonly type: 'stopAll'; readonly acceptForMs: number; readonly timeoutMs: number | null }
  /** To a worker: open the file of the access log again. */
  | { readonly type: 'reopenLog' }
  | { readonly type: 'roster'; readonly roster: Roster }
  | { readonly type: 'vitals'; readonly vitals: Vitals }
  /** To control: read the configuration again; answered with `reloaded`. */
  | { readonly type: 'reload'; readonly id: number }
  /**
   * To control: the replacement of all workers is over. `trouble`: the reason why it failed; null = every worker is
   * new.
   */
  | { readonly type: 'replaced'; readonly trouble: string | null }

/** Messages of the children to the supervisor. */
export type FromChild =
  /** From a worker: it accepts connections. From control: a revision is in force and the admin API answers. */
  | { readonly type: 'ready' }
  /** Sent each second as proof that the event loop runs. */
  | { readonly type: 'alive' }
  /** The process could not start and exits. `exitCode`: exit code of the whole instance, if it is just starting. */
  | { readonly type: 'failed'; readonly message: string; readonly exitCode: number }
  /** From a worker: it has stopped. `cut`: number of requests and tunnels that were cut at the deadline. */
  | { readonly type: 'stopped'; readonly cut: number }
  /** From control: replace all workers; answered with `replaced`. */
  | { readonly type: 'replaceWorkers' }
  /** The configuration was read again, successfully or not. */
  | { readonly type: 'reloaded'; readonly id: number }
  /** A configuration was read and applied: the next control process starts with it. */
  | { readonly type: 'configured'; readonly config: Config }
  /** From control: TLS of all listeners, before the workers have it. */
  | { readonly type: 'tls'; readonly listeners: readonly ListenerTls[] }
  /** From control: the state to hand to the next control process. */
  | StateMessage
