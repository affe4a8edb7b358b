/** The form between the configurations of other proxies and a file of Cutover. Keys and values are those of the file. */

/** A text, or conditions on it; `routes` of the file. */
export type ValueTest = string | { present?: boolean; prefix?: string; suffix?: string; contains?: string }

export interface Conditions {
  readonly method?: readonly string[]
  readonly path?: ValueTest
  readonly header?: Readonly<Record<string, ValueTest>>
  readonly cookie?: Readonly<Record<string, ValueTest>>
  readonly query?: Readonly<Record<string, ValueTest>>
  readonly ip?: readonly string[]
}

/** `match` of a route. */
export interface Match extends Conditions {
  readonly not?: Conditions
}

/** Holds for every request. */
export const ALWAYS: Match = { path: { prefix: '/' } }

export interface ServerTls {
  readonly serverName?: string
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
  readonly insecure?: boolean
}

export interface ServerDraft {
  readonly name: string
  readonly url: string
  readonly weight?: number
  readonly backup?: boolean
  readonly tls?: ServerTls
  /** Version of the PROXY protocol that the server gets. */
  readonly proxyProtocol?: 'v1' | 'v2'
  /** Stands behind the server in the file. */
  readonly comment?: string
}

export interface PoolDraft {
  readonly name: string
  readonly servers: readonly ServerDraft[]
  readonly comment?: string
}

export interface FieldEdits {
  readonly set?: Readonly<Record<string, string>>
  readonly remove?: readonly string[]
}

/** Policies of a service. */
export interface Settings {
  readonly splitBy?: string
  readonly balance?: string
  readonly sticky?: { readonly cookie: string; readonly ttl?: string }
  readonly health?: 'off' | Readonly<Record<string, string | number | Readonly<Record<string, string>>>>
  readonly passive?: { readonly maxFails?: number; readonly failTimeout?: string; readonly maxEjected?: string }
  readonly retry?: {
    readonly attempts?: number
    readonly on?: readonly string[]
    readonly statuses?: readonly number[]
    readonly methods?: readonly string[]
  }
  readonly timeouts?: Readonly<Record<string, string | 0>>
  readonly connections?: { readonly perServer?: number; readonly keepAlive?: string }
  readonly slowStart?: string
  readonly mirror?: { readonly to: string; readonly percent?: number; readonly methods?: readonly string[] }
  readonly headers?: { readonly request?: FieldEdits; readonly response?: FieldEdits }
}

/** Where requests can go: pools with a split, and how they get there. */
export interface Target {
  /** Names for the service, the best one first. */
  readonly names: readonly string[]
  readonly pools: readonly PoolDraft[]
  /** Percent by pool; absent = all to the first one. */
  readonly split?: Readonly<Record<string, number>>
  readonly settings: Settings
  readonly stripPrefix?: boolean
  /** Lines above the service. */
  readonly comments?: readonly string[]
}

export interface ListenDraft {
  readonly address: string
  readonly proxyProtocol?: boolean
}

/** The section `proxy` of the file. */
export interface ProxyDraft {
  listen: ListenDraft[]
  workers?: number
  trustedProxies: string[]
  limits: Record<string, string | number>
  timeouts: Record<string, string | 0>
  accessLog?: 'off' | Readonly<Record<string, string | number>>
  /** Lines above the section. */
  comments: string[]
}

export function emptyProxy(): ProxyDraft {
  return { listen: [], trustedProxies: [], limits: {}, timeouts: {}, comments: [] }
}
