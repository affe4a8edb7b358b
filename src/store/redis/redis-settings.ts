/** PEM files for TLS, in addition to `rediss://`. */
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

/** Topology and addresses of the Redis that holds the state of a fleet. */
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
  /** null = no files; TLS only if the URL says `rediss://`. */
  readonly tls: RedisTls | null
}
