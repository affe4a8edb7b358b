/** TLS beside what `rediss://` says: files in PEM. */
export interface RedisTls {
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
}

export interface RedisNode {
  readonly host: string
  readonly port: number
}

export interface RedisCredentials {
  readonly username?: string
  readonly password?: string
}

/** Where the state of a fleet lives. */
export type RedisTopology =
  | { readonly kind: 'single'; readonly url: string }
  | ({
      readonly kind: 'sentinel'
      readonly sentinels: readonly RedisNode[]
      readonly name: string
      readonly sentinelUsername?: string
      readonly sentinelPassword?: string
    } & RedisCredentials)
  | ({ readonly kind: 'cluster'; readonly nodes: readonly RedisNode[] } & RedisCredentials)

export interface RedisSettings {
  readonly topology: RedisTopology
  /** null = without, or as the URL says. */
  readonly tls: RedisTls | null
}
