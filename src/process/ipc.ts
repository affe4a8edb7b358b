import type { Config, ProxySettings } from '../config/config.ts'
import type { Identity } from '../control/proxies.ts'
import type { Vitals } from '../model/messages.ts'
import type { StateCopy, StateMessage } from './state-copy.ts'

export interface RosterEntry {
  readonly name: string
  readonly pid: number
  /** It has not said for a while that it is alive. */
  readonly isHung: boolean
}

/** The workers as the supervisor has them. */
export interface Roster {
  /** Those that take or finish requests. */
  readonly workers: readonly RosterEntry[]
  /** Workers that have ended unexpectedly so far. */
  readonly restarts: number
  /** What is wrong, for people; null = nothing. */
  readonly trouble: string | null
}

/** A listener as a worker gets it. */
export interface HandedListener {
  readonly fd: number
  readonly proxyProtocol: boolean
}

export interface WorkerInit {
  readonly type: 'worker'
  readonly name: string
  readonly slot: number
  /** How many workers share what is limited. */
  readonly workers: number
  readonly proxy: ProxySettings
  readonly listeners: readonly HandedListener[]
  /** Path of the control process's socket file. */
  readonly wire: string
}

export interface ControlInit {
  readonly type: 'control'
  readonly config: Config
  /** Where the configuration was read, and is read again. */
  readonly file: string
  /** Another control process has run before, and has applied the file: what the store says holds. */
  readonly resumed: boolean
  /** Join a fleet with a file that has no service in common with it. */
  readonly joinAnyway: boolean
  /** The state that the control process before this one had; null = there was none. */
  readonly state: StateCopy | null
  readonly identity: Identity
  /** URL of the admin API, whose socket the supervisor holds. */
  readonly adminAddress: string
  readonly adminFd: number
  /** null = previews have no origin of their own. */
  readonly previewFd: number | null
  readonly wire: string
  readonly roster: Roster
}

/** What the supervisor says to its children. */
export type ToChild =
  | WorkerInit
  | ControlInit
  /** A worker: take connections from the socket that comes with this as well; it is of a slot that has no worker now. */
  | { readonly type: 'adopt'; readonly slot: number; readonly listener: number }
  /** A worker: the slot has one again. */
  | { readonly type: 'release'; readonly slot: number }
  /** A worker that has been replaced: finish, and end. Control: have all workers end, and end yourself. */
  | { readonly type: 'stop'; readonly timeoutMs: number | null }
  /** A worker, when there is no control process to say so: the whole instance ends. */
  | { readonly type: 'stopAll'; readonly acceptForMs: number; readonly timeoutMs: number | null }
  | { readonly type: 'roster'; readonly roster: Roster }
  | { readonly type: 'vitals'; readonly vitals: Vitals }
  /** Control: read the configuration again; answered with `reloaded`. */
  | { readonly type: 'reload'; readonly id: number }
  /** Every worker is a new one; or what went wrong. */
  | { readonly type: 'replaced'; readonly trouble: string | null }

/** What they say to it. */
export type FromChild =
  /** A worker takes connections; control has a revision in force and answers. */
  | { readonly type: 'ready' }
  /** Each second: its event loop turns. */
  | { readonly type: 'alive' }
  /** It could not begin, and ends. `exitCode`: what the whole shall end with if it has just been started. */
  | { readonly type: 'failed'; readonly message: string; readonly exitCode: number }
  | { readonly type: 'stopped'; readonly cut: number }
  | { readonly type: 'replaceWorkers' }
  /** The configuration was read again, whatever came of it. */
  | { readonly type: 'reloaded'; readonly id: number }
  /** The configuration was read again: the next control process begins with this one. */
  | { readonly type: 'configured'; readonly config: Config }
  /** Control: the next control process is to know this state. */
  | StateMessage
