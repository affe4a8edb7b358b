import type { AccessLogSettings } from '../model/access-log-settings.ts'
import type { HookSettings } from '../model/hooks.ts'
import type { HttpsRedirect } from '../model/https-redirect.ts'
import type { TlsSettings } from '../model/listener-tls.ts'
import type { JsonObject } from '../model/state.ts'
import type { TracingSettings } from '../model/tracing.ts'
import type { ListenAddress, TcpAddress } from '../net/listen-address.ts'

/** A listener for clients. */
export type ProxyListener = ListenAddress & {
  /** Every connection opens with a PROXY header, version 1 or 2. */
  readonly proxyProtocol?: true
  /** Clients may speak HTTP/2 without TLS. */
  readonly h2c?: true
  /** Absent = plain. */
  readonly tls?: TlsSettings
  /** Absent = requests are served. */
  readonly redirectToHttps?: HttpsRedirect
}

export type Role = 'read' | 'operate' | 'admin'

export interface AdminToken {
  readonly name: string
  readonly role: Role
  /** SHA-256 of the token, 32 bytes. The token itself is not kept. */
  readonly sha256: Buffer
}

export interface ProxySettings {
  readonly listen: readonly ProxyListener[]
  /** Data-plane processes; `auto` = one per core, 0 = none: the control process serves. */
  readonly workers: number | 'auto'
  /** CIDRs whose X-Forwarded-* and X-Request-Id are believed. */
  readonly trustedProxies: readonly string[]
  /** 0 = none. */
  readonly limits: {
    readonly headerBytes: number
    readonly urlBytes: number
    readonly bodyBytes: number
    readonly connections: number
    readonly requestsPerConnection: number
    /** At least 1. */
    readonly streams: number
    readonly held: number
  }
  /** 0 = none. */
  readonly timeouts: {
    readonly headerMs: number
    readonly requestMs: number
    readonly keepAliveMs: number
    readonly idleBodyMs: number
    readonly tunnelMs: number
  }
  /** `forwarded`: whether requests carry Forwarded; `traceSample`: share of new traces marked as sampled, 0 to 1. */
  readonly forwarding: { readonly forwarded: boolean; readonly traceSample: number }
  /** null = off. */
  readonly accessLog: AccessLogSettings | null
}

export interface AdminSettings {
  readonly listen: ListenAddress
  /** Host names, beside addresses and localhost, by which the admin API may be called. */
  readonly hosts: readonly string[]
  readonly tokens: readonly AdminToken[]
  /** CIDRs of proxies in front of the admin API whose X-Forwarded-Proto is believed. */
  readonly trustedProxies: readonly string[]
  /** Max connections at once; 0 = no limit. */
  readonly connections: number
  /** Where pages of previews are served; null = at the admin API, in a sandbox. */
  readonly preview: TcpAddress | null
  /** CIDRs that may ask /ready. */
  readonly readyAllow: readonly string[]
}

/** Addresses and credentials of Redis. */
export type RedisTopology =
  | { readonly kind: 'single'; readonly url: string }
  | {
      readonly kind: 'sentinel'
      readonly sentinels: readonly RedisNode[]
      readonly name: string
      readonly username?: string
      readonly password?: string
      readonly sentinelUsername?: string
      readonly sentinelPassword?: string
    }
  | {
      readonly kind: 'cluster'
      readonly nodes: readonly RedisNode[]
      readonly username?: string
      readonly password?: string
    }

export interface RedisNode {
  readonly host: string
  readonly port: number
}

export interface StoreSettings {
  /** null = the embedded store. */
  readonly redis: RedisTopology | null
  /** Files in PEM; null = TLS only if the URL is rediss://, with defaults. */
  readonly tls: { readonly ca?: string; readonly cert?: string; readonly key?: string } | null
  readonly prefix: string
  readonly path: string
  /** Encrypts keys in the store; empty = they are in plain text. */
  readonly secret: string
}

export interface FleetSettings {
  /** null = the name of the machine. */
  readonly name: string | null
  /** URL of the admin API for the other instances; null = detected. */
  readonly address: string | null
  /** Token of instances for each other; null = the caller's own token is passed on. */
  readonly token: string | null
}

/** A receiver of events. */
export interface WebhookSettings {
  readonly url: string
  /** Types and patterns; none = all. */
  readonly types: readonly string[]
  readonly secret: string
}

/** A checked configuration file; services as written (`checkService` resolves them). */
export interface Config {
  readonly proxy: ProxySettings
  /** The keys of `proxy` for hooks, and the program as it was when the configuration was read. */
  readonly hooks: HookSettings
  /** `timeoutMs`: null = no deadline. */
  readonly shutdown: { readonly acceptForMs: number; readonly timeoutMs: number | null }
  readonly admin: AdminSettings
  readonly store: StoreSettings
  readonly fleet: FleetSettings
  /** `tracing`: null = off. */
  readonly telemetry: { readonly tracing: TracingSettings | null }
  readonly webhooks: readonly WebhookSettings[]
  /** Whom names with `dns.all`, and those of SRV records, are asked for; no servers = those of the system. */
  readonly dns: { readonly servers: readonly string[]; readonly timeoutMs: number }
  /** null = the file has none. */
  readonly configVersion: number | null
  /** Service definitions as written, environment interpolated, defaults not filled in. */
  readonly services: Readonly<Record<string, JsonObject>>
  /** Whether the file has a `services` section; a file that was cut short may have lost it. */
  readonly hasServices: boolean
  /** SHA-256 (hex) over the service definitions: two files with the same services have the same hash. */
  readonly servicesHash: string
}

export type { Problem } from '../model/refusal.ts'
