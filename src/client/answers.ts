// Written by `npm run client`; do not edit.

export interface Probe {
  readonly at: string
  readonly ok: boolean
  readonly status: number | null
  readonly ms: number
  readonly error: string | null
  /** The version that the server reports of itself, with versionHeader. */
  readonly version?: string
  /** When the certificate of the server expires; with TLS. */
  readonly certificateExpiresAt?: string
}

export interface ServerName {
  /** Its host name, or that of SRV records. */
  readonly name: string
  /** The last known ones, at this instance. */
  readonly addresses: ReadonlyArray<string>
  /** Why the last lookup has found nothing: the last addresses stay in use. */
  readonly problem: string | null
  /** The configured server whose name it was found by; absent = it is that one. */
  readonly server?: string
  /** When DNS ceased to have its address; absent = it has it. */
  readonly vanishedAt?: string
}

export interface Server {
  readonly name: string
  readonly service: string
  readonly pool: string
  readonly url: string
  /** As configured, or as overridden at run time. */
  readonly weight: number
  /** Set by commands; leaving: it was removed, and is shown until its requests have ended. */
  readonly state: 'ready' | 'drain' | 'maint' | 'leaving'
  /** Found by checks; ejected: up, but requests have failed there. */
  readonly health: 'unknown' | 'up' | 'down' | 'ejected'
  /** Taken out, and no request is in flight there in the whole fleet. */
  readonly drained: boolean
  /** Requests and tunnels in flight in the whole fleet. */
  readonly inFlight: number
  readonly lastProbe: Probe | null
  /** When its requests in flight are cut; absent = never, or none are left. */
  readonly cutAt?: string
  /** In slow start: the part of its weight that it has now. */
  readonly effectiveWeight?: number
  /** Gets requests only while no other server of its pool is up. */
  readonly backup?: true
  /** Max requests in flight there, per instance; absent = no limit. */
  readonly maxConnections?: number
  readonly dns?: ServerName
  /** In flight at each instance, by its name; only in lists of servers. */
  readonly inFlightByInstance?: {
    readonly [name: string]: number
  }
}

export interface Pool {
  readonly name: string
  readonly version: string
  /** Percent of the requests. */
  readonly share: number
  /** Gets no requests (neither by a share nor by a policy), and none is in flight there in the whole fleet. */
  readonly drained: boolean
  readonly inFlight: number
  /** Servers that take requests; backups only while no other one is up. */
  readonly up: number
  readonly servers: ReadonlyArray<Server>
  /** When its requests in flight are cut; absent = never, or none are left. */
  readonly cutAt?: string
  /** Versions that its servers have reported in the last minute, in responses and health checks; with versionHeader. */
  readonly reportedVersions?: ReadonlyArray<string>
}

export interface Service {
  readonly name: string
  /** The last revision that changed this service. */
  readonly revision: number
  readonly hosts: ReadonlyArray<string>
  readonly paths: ReadonlyArray<string>
  /** Percent of the requests by pool. */
  readonly split: {
    readonly [name: string]: number
  }
  readonly mode: 'serving' | 'paused' | 'stopped'
  readonly pools: ReadonlyArray<Pool>
  /** Present while the previous definition serves the requests until the servers of this one are up. */
  readonly handover?: {
    readonly since: string
    /** When this definition takes over even if its servers are not up. */
    readonly until: string
    /** Servers that are not up yet. */
    readonly waitsFor: ReadonlyArray<{
      readonly service: string
      readonly pool: string
      readonly server: string
      readonly reason: string
    }>
  }
  /** The deploy that waits for its servers to be up; absent = none. */
  readonly deploying?: {
    readonly id: string
    readonly pool: string
    readonly by: string
    readonly at: string
  }
  /** The rollout that runs; absent = none. */
  readonly rollout?: {
    readonly id: string
    readonly to: string
    readonly state: string
    readonly reason: string | null
    readonly weight: number
  }
  /** Its routing stays as it is; absent = it may be changed. */
  readonly freeze?: {
    readonly by: string
    readonly at: string
    readonly reason: string | null
  }
  /** The store is away: others may have changed the state meanwhile. */
  readonly stale?: true
  /** Overrides of instances, made with ?scope=local while the store was away. */
  readonly overrides?: ReadonlyArray<{
    readonly instance: string
    readonly at: string
    readonly by: string
    readonly reason: string | null
    /** Such as `drain blue1`. */
    readonly what: string
  }>
  /** Instances that are out of touch: what they have in force and in flight is unknown. They are named until they are back, or struck off by DELETE /api/instances/{id}. */
  readonly leftOut?: ReadonlyArray<string>
}

export interface Services {
  /** Revision of the whole state; also in the ETag. */
  readonly revision: number
  readonly services: ReadonlyArray<Service>
  /** The store is away: others may have changed the state meanwhile. */
  readonly stale?: true
  /** Overrides of instances, made with ?scope=local while the store was away. */
  readonly overrides?: ReadonlyArray<{
    readonly instance: string
    readonly at: string
    readonly by: string
    readonly reason: string | null
    /** Such as `drain blue1`. */
    readonly what: string
  }>
  /** Instances that are out of touch: what they have in force and in flight is unknown. They are named until they are back, or struck off by DELETE /api/instances/{id}. */
  readonly leftOut?: ReadonlyArray<string>
}

export interface Servers {
  /** Revision of the whole state; also in the ETag. */
  readonly revision: number
  readonly servers: ReadonlyArray<Server>
  /** The store is away: others may have changed the state meanwhile. */
  readonly stale?: true
  /** Overrides of instances, made with ?scope=local while the store was away. */
  readonly overrides?: ReadonlyArray<{
    readonly instance: string
    readonly at: string
    readonly by: string
    readonly reason: string | null
    /** Such as `drain blue1`. */
    readonly what: string
  }>
  /** Instances that are out of touch: what they have in force and in flight is unknown. They are named until they are back, or struck off by DELETE /api/instances/{id}. */
  readonly leftOut?: ReadonlyArray<string>
}

export interface Written {
  /** Revision of the whole state; also in the ETag. */
  readonly revision: number
  /** false: there was nothing to change, and no revision was made. */
  readonly changed: boolean
  readonly service: Service | null
  /** Pools and servers that this change drained and that are idle. */
  readonly drained?: ReadonlyArray<string>
  /** Requests that were cut at the deadline. */
  readonly cut?: number
  /** With ?wait=: milliseconds until the change was in force in the whole fleet, and until nothing was in flight any more at what it drained. */
  readonly times?: {
    readonly applied: number
    readonly idle: number
  }
  /** Only this instance was changed. */
  readonly scope?: 'local'
  /** The store is away: others may have changed the state meanwhile. */
  readonly stale?: true
  /** Overrides of instances, made with ?scope=local while the store was away. */
  readonly overrides?: ReadonlyArray<{
    readonly instance: string
    readonly at: string
    readonly by: string
    readonly reason: string | null
    /** Such as `drain blue1`. */
    readonly what: string
  }>
  /** Instances that are out of touch: what they have in force and in flight is unknown. They are named until they are back, or struck off by DELETE /api/instances/{id}. */
  readonly leftOut?: ReadonlyArray<string>
  /** Instances that cannot read a definition, and keep the last readable one. */
  readonly cannotFollow?: ReadonlyArray<string>
  /** No replica of the store has it yet: a fail-over now would lose it. */
  readonly mayBeLost?: true
}

export interface Deployed {
  /** Revision of the whole state; also in the ETag. */
  readonly revision: number
  /** false: there was nothing to change, and no revision was made. */
  readonly changed: boolean
  readonly service: Service | null
  readonly deploy: {
    readonly pool: string
    readonly version: string
    /** The pools that had the traffic before. */
    readonly from: ReadonlyArray<string>
    /** Milliseconds until all servers were up, from then until the switch was in force in the whole fleet, and until nothing was in flight any more at the old pools; null = not yet, or not known. */
    readonly times: {
      readonly healthy: number | null
      readonly applied: number | null
      readonly idle: number | null
    }
  }
  /** Pools and servers that this change drained and that are idle. */
  readonly drained?: ReadonlyArray<string>
  /** Requests that were cut at the deadline. */
  readonly cut?: number
  /** With ?wait=: milliseconds until the change was in force in the whole fleet, and until nothing was in flight any more at what it drained. */
  readonly times?: {
    readonly applied: number
    readonly idle: number
  }
  /** Only this instance was changed. */
  readonly scope?: 'local'
  /** The store is away: others may have changed the state meanwhile. */
  readonly stale?: true
  /** Overrides of instances, made with ?scope=local while the store was away. */
  readonly overrides?: ReadonlyArray<{
    readonly instance: string
    readonly at: string
    readonly by: string
    readonly reason: string | null
    /** Such as `drain blue1`. */
    readonly what: string
  }>
  /** Instances that are out of touch: what they have in force and in flight is unknown. They are named until they are back, or struck off by DELETE /api/instances/{id}. */
  readonly leftOut?: ReadonlyArray<string>
  /** Instances that cannot read a definition, and keep the last readable one. */
  readonly cannotFollow?: ReadonlyArray<string>
  /** No replica of the store has it yet: a fail-over now would lose it. */
  readonly mayBeLost?: true
  /** What was not complete when `timeout` ended; the deploy is. */
  readonly missing?: {
    /** Instances that have not applied it. */
    readonly lagging: ReadonlyArray<string>
    /** Servers or pools that are not drained. */
    readonly underWay: ReadonlyArray<{
      readonly name: string
      /** Requests and tunnels in flight. */
      readonly inFlight: number
      /** In a fleet: the instances where they are. */
      readonly at?: ReadonlyArray<string>
    }>
    /** Services that keep their previous definition until the servers of the new one are up. */
    readonly handovers?: ReadonlyArray<{
      readonly instance: string
      readonly service: string
      readonly waitsFor: string
    }>
  }
}

export interface RolloutWritten {
  /** Revision of the whole state; also in the ETag. */
  readonly revision: number
  /** false: there was nothing to change, and no revision was made. */
  readonly changed: boolean
  readonly rollout: Rollout
  /** Pools and servers that this change drained and that are idle. */
  readonly drained?: ReadonlyArray<string>
  /** Requests that were cut at the deadline. */
  readonly cut?: number
  /** With ?wait=: milliseconds until the change was in force in the whole fleet, and until nothing was in flight any more at what it drained. */
  readonly times?: {
    readonly applied: number
    readonly idle: number
  }
  /** Only this instance was changed. */
  readonly scope?: 'local'
  /** The store is away: others may have changed the state meanwhile. */
  readonly stale?: true
  /** Overrides of instances, made with ?scope=local while the store was away. */
  readonly overrides?: ReadonlyArray<{
    readonly instance: string
    readonly at: string
    readonly by: string
    readonly reason: string | null
    /** Such as `drain blue1`. */
    readonly what: string
  }>
  /** Instances that are out of touch: what they have in force and in flight is unknown. They are named until they are back, or struck off by DELETE /api/instances/{id}. */
  readonly leftOut?: ReadonlyArray<string>
  /** Instances that cannot read a definition, and keep the last readable one. */
  readonly cannotFollow?: ReadonlyArray<string>
  /** No replica of the store has it yet: a fail-over now would lose it. */
  readonly mayBeLost?: true
}

export interface ServersWritten {
  /** Revision of the whole state; also in the ETag. */
  readonly revision: number
  /** false: there was nothing to change, and no revision was made. */
  readonly changed: boolean
  readonly servers: ReadonlyArray<Server>
  readonly service?: Service
  /** Pools and servers that this change drained and that are idle. */
  readonly drained?: ReadonlyArray<string>
  /** Requests that were cut at the deadline. */
  readonly cut?: number
  /** With ?wait=: milliseconds until the change was in force in the whole fleet, and until nothing was in flight any more at what it drained. */
  readonly times?: {
    readonly applied: number
    readonly idle: number
  }
  /** Only this instance was changed. */
  readonly scope?: 'local'
  /** The store is away: others may have changed the state meanwhile. */
  readonly stale?: true
  /** Overrides of instances, made with ?scope=local while the store was away. */
  readonly overrides?: ReadonlyArray<{
    readonly instance: string
    readonly at: string
    readonly by: string
    readonly reason: string | null
    /** Such as `drain blue1`. */
    readonly what: string
  }>
  /** Instances that are out of touch: what they have in force and in flight is unknown. They are named until they are back, or struck off by DELETE /api/instances/{id}. */
  readonly leftOut?: ReadonlyArray<string>
  /** Instances that cannot read a definition, and keep the last readable one. */
  readonly cannotFollow?: ReadonlyArray<string>
  /** No replica of the store has it yet: a fail-over now would lose it. */
  readonly mayBeLost?: true
}

export interface Caller {
  /** Name of the token, as in the history; local if there are no tokens. */
  readonly name: string
  /** read: it may look; operate: and change services and servers; admin: and instances and workers. */
  readonly role: 'read' | 'operate' | 'admin'
  /** Name of the instance that answers. */
  readonly instance: string
  readonly version: string
}

export interface Instance {
  readonly id: string
  readonly name: string
  /** Whether this is the instance that answers. */
  readonly self: boolean
  /** Whether it sent a heartbeat within the last three seconds. */
  readonly live: boolean
  /** URL of its admin API for the other instances; empty = they cannot reach it. */
  readonly address: string
  readonly version: string
  /** In force in all its workers; -1 = none yet. */
  readonly appliedRevision: number
  readonly startedAt: string
  readonly lastSeen: string
  /** The configuration file it has read. */
  readonly configuration: {
    /** Hash of its services. */
    readonly hash: string
    /** Its configVersion. */
    readonly version: number | null
    /** Whether it is the file in force in the fleet. */
    readonly inForce: boolean
    /** Compared with the file in force; differs: the same configVersion with other services; none: no file is in force. */
    readonly standing: 'inForce' | 'newer' | 'older' | 'differs' | 'none'
    /** Why it was not applied, or why its last reload failed. */
    readonly problem: string | null
  }
  /** Services whose definitions it cannot read, and of which it keeps the last readable one. */
  readonly cannotFollow: ReadonlyArray<{
    readonly service: string
    readonly problem: string
  }>
  readonly overrides: ReadonlyArray<Override>
  readonly processes: ReadonlyArray<{
    readonly role: 'supervisor' | 'control' | 'worker'
    readonly pid: number
    readonly appliedRevision: number
    /** Requests and tunnels in flight. */
    readonly inFlight: number
    /** Open connections of clients. */
    readonly connections: number
    /** Of one core. */
    readonly cpuPercent: number
    readonly memoryBytes: number
    /** Delay of timers, 99th percentile of the last second. */
    readonly eventLoopDelayMs: number
    /** It does not respond, and is replaced if that continues; absent = it responds. */
    readonly hung?: true
  }>
  /** Condition of the store as this instance sees it, and what to do; absent = its version does not report it. */
  readonly store?: {
    readonly status: 'ok' | 'degraded' | 'failing'
    readonly detail: string | null
  }
  /** The store is away: others may have changed the state meanwhile. */
  readonly stale?: true
  /** Instances that are out of touch: what they have in force and in flight is unknown. They are named until they are back, or struck off by DELETE /api/instances/{id}. */
  readonly leftOut?: ReadonlyArray<string>
}

export interface Instances {
  /** Revision of the whole state; also in the ETag. */
  readonly revision: number
  readonly configuration: {
    /** Hash of its services. */
    readonly hash: string
    /** Its configVersion. */
    readonly version: number | null
  } | null
  readonly instances: ReadonlyArray<Instance>
  /** The store is away: others may have changed the state meanwhile. */
  readonly stale?: true
  /** Overrides of instances, made with ?scope=local while the store was away. */
  readonly overrides?: ReadonlyArray<{
    readonly instance: string
    readonly at: string
    readonly by: string
    readonly reason: string | null
    /** Such as `drain blue1`. */
    readonly what: string
  }>
  /** Instances that are out of touch: what they have in force and in flight is unknown. They are named until they are back, or struck off by DELETE /api/instances/{id}. */
  readonly leftOut?: ReadonlyArray<string>
}

export interface InstanceStruck {
  /** Revision of the whole state; also in the ETag. */
  readonly revision: number
  readonly changed: boolean
  /** null: only its id was known. */
  readonly instance: Instance | null
  /** The store is away: others may have changed the state meanwhile. */
  readonly stale?: true
  /** Overrides of instances, made with ?scope=local while the store was away. */
  readonly overrides?: ReadonlyArray<{
    readonly instance: string
    readonly at: string
    readonly by: string
    readonly reason: string | null
    /** Such as `drain blue1`. */
    readonly what: string
  }>
  /** Instances that are out of touch: what they have in force and in flight is unknown. They are named until they are back, or struck off by DELETE /api/instances/{id}. */
  readonly leftOut?: ReadonlyArray<string>
}

export interface Override {
  readonly at: string
  readonly by: string
  readonly reason: string | null
  /** Such as `drain blue1`. */
  readonly what: string
}

export interface Overrides {
  /** Revision of the whole state; also in the ETag. */
  readonly revision: number
  readonly overrides: ReadonlyArray<Override>
  /** The store is away: others may have changed the state meanwhile. */
  readonly stale?: true
  /** Instances that are out of touch: what they have in force and in flight is unknown. They are named until they are back, or struck off by DELETE /api/instances/{id}. */
  readonly leftOut?: ReadonlyArray<string>
}

export interface WorkersRestarted {
  /** Whether the replacement continues; ?wait= answers when it is complete. */
  readonly restarting: boolean
}

export interface Certificate {
  /** Name of the listener, as in metrics. */
  readonly listener: string
  /** Whether it comes from files or was ordered. */
  readonly source: 'file' | 'acme'
  /** Host names and addresses that it is for. */
  readonly names: ReadonlyArray<string>
  readonly issuer: string
  readonly notBefore: string
  readonly notAfter: string
  /** SHA-256 of the certificate. */
  readonly fingerprint: string
  /** Its file; acme:NAME: it was ordered. */
  readonly file: string
  /** Empty: it was ordered. */
  readonly keyFile: string
  /** When it was read; null: a previous process of this instance has read it, or it was ordered. */
  readonly inForceSince: string | null
  /** Why the files as they are now cannot be used; null: what they have is in force. */
  readonly error: string | null
  /** Changes of the files after which they could not be used. */
  readonly failures: number
}

export interface OrderedCertificate {
  readonly domain: string
  /** Names of the listeners that have it. */
  readonly listeners: ReadonlyArray<string>
  /** URL of the directory of the ACME server. */
  readonly directory: string
  readonly challenge: 'http-01' | 'tls-alpn-01'
  /** null: this server has not issued one yet. */
  readonly notAfter: string | null
  readonly nextRenewal: string | null
  /** When the next attempt may begin; null: none is needed before the renewal. */
  readonly nextTry: string | null
  /** Attempts in a row that have failed. */
  readonly failures: number
  /** Why the last attempt has failed. */
  readonly error: string | null
}

export interface Certificates {
  /** Revision of the whole state; also in the ETag. */
  readonly revision: number
  readonly certificates: ReadonlyArray<Certificate>
  /** Names whose certificates are ordered from ACME servers. */
  readonly acme: ReadonlyArray<OrderedCertificate>
}

export interface CertificatesOrdered {
  /** Revision of the whole state; also in the ETag. */
  readonly revision: number
  /** Names whose certificates are ordered now; see GET /api/certificates. */
  readonly ordering: ReadonlyArray<string>
}

export interface Definition {
  /** The last revision that changed this service; also in the ETag, for If-Match. */
  readonly revision: number
  readonly service: string
  /** As written, in a file and through the API. Secrets are shown as (hidden). */
  readonly written: {
    readonly [name: string]: unknown
  }
  /** With all defaults; null: this instance cannot read the definition, see cannotFollow. */
  readonly resolved: {
    readonly [name: string]: unknown
  } | null
  /** The store is away: others may have changed the state meanwhile. */
  readonly stale?: true
  /** Overrides of instances, made with ?scope=local while the store was away. */
  readonly overrides?: ReadonlyArray<{
    readonly instance: string
    readonly at: string
    readonly by: string
    readonly reason: string | null
    /** Such as `drain blue1`. */
    readonly what: string
  }>
  /** Instances that are out of touch: what they have in force and in flight is unknown. They are named until they are back, or struck off by DELETE /api/instances/{id}. */
  readonly leftOut?: ReadonlyArray<string>
}

export interface Explanation {
  /** Revision of the whole state; also in the ETag. */
  readonly revision: number
  /** The request that was explained. */
  readonly request: {
    readonly host: string
    readonly method: string
    readonly path: string
    readonly ip: string
  }
  /** null: no service answers to it. */
  readonly service: string | null
  /** The pool that gets it; null: the shares decide, or none can take it. */
  readonly pool: string | null
  /** The decision step by step, with the reason of each. */
  readonly steps: ReadonlyArray<{
    readonly step: 'service' | 'mode' | 'hooks' | 'routes' | 'split' | 'sticky' | 'balance'
    readonly result: string
  }>
  readonly pools: ReadonlyArray<{
    readonly name: string
    readonly share: number
    readonly gets: 'all' | 'share' | 'none'
    readonly reason: string
    /** With a split by client: the share in percent from which on this client is here. */
    readonly from?: number
  }>
  readonly servers: ReadonlyArray<{
    readonly name: string
    readonly pool: string
    readonly url: string
    readonly weight: number
    readonly state: 'ready' | 'drain' | 'maint'
    readonly health: 'unknown' | 'up' | 'down' | 'ejected'
    /** Whether it may get the request. */
    readonly may: boolean
    readonly reason: string
    readonly lastProbe: Probe | null
    /** When checks found its health, or when it was ejected; absent = before this process began. */
    readonly since?: string
    /** Until when it is ejected; then one request tries it. */
    readonly ejectedUntil?: string
    readonly dns?: ServerName
  }>
  /** The store is away: others may have changed the state meanwhile. */
  readonly stale?: true
  /** Overrides of instances, made with ?scope=local while the store was away. */
  readonly overrides?: ReadonlyArray<{
    readonly instance: string
    readonly at: string
    readonly by: string
    readonly reason: string | null
    /** Such as `drain blue1`. */
    readonly what: string
  }>
  /** Instances that are out of touch: what they have in force and in flight is unknown. They are named until they are back, or struck off by DELETE /api/instances/{id}. */
  readonly leftOut?: ReadonlyArray<string>
}

export interface HistoryEntry {
  readonly revision: number
  readonly at: string
  /** Name of the token; local if there are no tokens, library if its own process made the change. */
  readonly by: string
  readonly reason: string | null
  readonly action: string
  readonly service: string
  /** A split, server states and weights, deadlines of pools, or the parts of a definition that differ. */
  readonly from: unknown
  /** A split, server states and weights, deadlines of pools, or the parts of a definition that differ. */
  readonly to: unknown
  readonly forced: boolean
}

export interface History {
  /** Revision of the whole state; also in the ETag. */
  readonly revision: number
  /** Newest first. */
  readonly history: ReadonlyArray<HistoryEntry>
  /** The store is away: others may have changed the state meanwhile. */
  readonly stale?: true
  /** Overrides of instances, made with ?scope=local while the store was away. */
  readonly overrides?: ReadonlyArray<{
    readonly instance: string
    readonly at: string
    readonly by: string
    readonly reason: string | null
    /** Such as `drain blue1`. */
    readonly what: string
  }>
  /** Instances that are out of touch: what they have in force and in flight is unknown. They are named until they are back, or struck off by DELETE /api/instances/{id}. */
  readonly leftOut?: ReadonlyArray<string>
}

/** A reader that has missed events gets an event gap first: {"type": "gap", "after", "next"}. */
export interface LoggedEvent {
  /** Grows, and is the same at all instances; null = the store is away, and it gets its id later. */
  readonly id: string | null
  /** change: A change of state by a command or a configuration file. health: Health checks of an instance have found a server up or down. ejection: An instance has ejected a server since requests failed there, or takes it back. drain.started: A server or pool gets no new requests any more. drain.finished: Nothing is in flight there any more in the whole fleet, or it takes requests again. instance.joined: An instance is part of the fleet. instance.gone: An instance has signed off, or has been silent for too long. store.away: An instance cannot reach the store. store.back: An instance can reach the store again. version.mismatch: Servers of a pool report another version than the pool has. version.match: The servers of the pool report its version again. certificate.changed: A new certificate of a listener is in force at an instance. certificate.refused: The files of a certificate have changed, and cannot be used. certificate.renewed: A certificate was issued by an ACME server. certificate.failed: No certificate was issued by an ACME server; another attempt follows. worker.died: A worker of an instance has ended unexpectedly. rollout.*: a step of a rollout. */
  readonly type: string
  /** By the clock of the store. */
  readonly at: string
  /** Name of the token, as in the history. */
  readonly by: string | null
  /** Given by a person, or found by the instance. */
  readonly reason: string | null
  /** Name of the service that it concerns. */
  readonly service: string | null
  /** Name of the pool. */
  readonly pool: string | null
  /** Name of the server; null = the whole pool. */
  readonly server: string | null
  /** Name of the instance that it happened at; null = it concerns the fleet. */
  readonly instance: string | null
  /** The revision of the change. */
  readonly revision: number | null
  /** The command, as in the history. */
  readonly action: string | null
  /** Whether it broke a promise on purpose. */
  readonly forced: boolean
  /** What was before; docs/events.md says what each type has here. (omitted) = too long. */
  readonly before: unknown
  /** What is after it; docs/events.md says what each type has here. (omitted) = too long. */
  readonly after: unknown
}

export interface Configuration {
  /** Revision of the whole state; also in the ETag. */
  readonly revision: number
  readonly services: {
    readonly [name: string]: unknown
  }
  /** The store is away: others may have changed the state meanwhile. */
  readonly stale?: true
  /** Overrides of instances, made with ?scope=local while the store was away. */
  readonly overrides?: ReadonlyArray<{
    readonly instance: string
    readonly at: string
    readonly by: string
    readonly reason: string | null
    /** Such as `drain blue1`. */
    readonly what: string
  }>
  /** Instances that are out of touch: what they have in force and in flight is unknown. They are named until they are back, or struck off by DELETE /api/instances/{id}. */
  readonly leftOut?: ReadonlyArray<string>
  /** Services that the file names and that were removed through the API, and how to bring them back. */
  readonly removed?: {
    readonly services: ReadonlyArray<string>
    readonly hint: string
  }
  readonly [name: string]: unknown
}

export interface Reloaded {
  /** Revision of the whole state; also in the ETag. */
  readonly revision: number
  /** false: there was nothing to change, and no revision was made. */
  readonly changed: boolean
  /** Changed settings that need a restart. */
  readonly needRestart: ReadonlyArray<string>
  /** Pools and servers that this change drained and that are idle. */
  readonly drained?: ReadonlyArray<string>
  /** Requests that were cut at the deadline. */
  readonly cut?: number
  /** With ?wait=: milliseconds until the change was in force in the whole fleet, and until nothing was in flight any more at what it drained. */
  readonly times?: {
    readonly applied: number
    readonly idle: number
  }
  /** Only this instance was changed. */
  readonly scope?: 'local'
  /** The store is away: others may have changed the state meanwhile. */
  readonly stale?: true
  /** Overrides of instances, made with ?scope=local while the store was away. */
  readonly overrides?: ReadonlyArray<{
    readonly instance: string
    readonly at: string
    readonly by: string
    readonly reason: string | null
    /** Such as `drain blue1`. */
    readonly what: string
  }>
  /** Instances that are out of touch: what they have in force and in flight is unknown. They are named until they are back, or struck off by DELETE /api/instances/{id}. */
  readonly leftOut?: ReadonlyArray<string>
  /** Instances that cannot read a definition, and keep the last readable one. */
  readonly cannotFollow?: ReadonlyArray<string>
  /** No replica of the store has it yet: a fail-over now would lose it. */
  readonly mayBeLost?: true
  /** Services that the file names and that were removed through the API, and how to bring them back. */
  readonly removed?: {
    readonly services: ReadonlyArray<string>
    readonly hint: string
  }
}

export interface Health {
  readonly status: 'ok' | 'degraded' | 'failing'
  /** Revision of the whole state; also in the ETag. */
  readonly revision: number
  readonly version: string
  readonly parts: {
    readonly [name: string]: {
      readonly status: 'ok' | 'degraded' | 'failing'
      readonly detail: string | null
    }
  }
  /** The store is away: others may have changed the state meanwhile. */
  readonly stale?: true
  /** Overrides of instances, made with ?scope=local while the store was away. */
  readonly overrides?: ReadonlyArray<{
    readonly instance: string
    readonly at: string
    readonly by: string
    readonly reason: string | null
    /** Such as `drain blue1`. */
    readonly what: string
  }>
  /** Instances that are out of touch: what they have in force and in flight is unknown. They are named until they are back, or struck off by DELETE /api/instances/{id}. */
  readonly leftOut?: ReadonlyArray<string>
}

export interface PreviewLink {
  readonly url: string
  readonly expiresAt: string
}

export interface Ready {
  readonly ready: boolean
  readonly reason: string | null
}

export interface Live {
  readonly status: 'ok'
}

export interface Problem {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail: string
  /** Path of a page about this kind of problem: GET /docs/problems/…. */
  readonly help?: string
  /** 422: the first fifty problems, with their paths. */
  readonly problems?: ReadonlyArray<{
    readonly path: string
    readonly message: string
  }>
  /** 422: the number of further problems. */
  readonly moreProblems?: number
  /** 404: the first fifty known names. */
  readonly known?: ReadonlyArray<string>
  /** 404: the number of further names. */
  readonly moreKnown?: number
  /** Revision of the whole state; also in the ETag. */
  readonly revision?: number
  /** 409: pools and servers that a later change made take requests again. */
  readonly reopened?: ReadonlyArray<string>
  /** 412: the revision in If-Match. */
  readonly expected?: number
  /** 412: the last revision that changed the resource. */
  readonly actual?: number
  /** Deploy: the servers that are not up, as this instance has found them. */
  readonly servers?: ReadonlyArray<{
    readonly name: string
    readonly url: string
    readonly health: string
    readonly lastProbe: Probe | null
    /** In a fleet: the instances at which it is not up. */
    readonly at?: ReadonlyArray<string>
  }>
  /** false: there was nothing to change, and no revision was made. */
  readonly changed?: boolean
  readonly missing?: {
    /** Instances that have not applied it. */
    readonly lagging: ReadonlyArray<string>
    /** Servers or pools that are not drained. */
    readonly underWay: ReadonlyArray<{
      readonly name: string
      /** Requests and tunnels in flight. */
      readonly inFlight: number
      /** In a fleet: the instances where they are. */
      readonly at?: ReadonlyArray<string>
    }>
    /** Services that keep their previous definition until the servers of the new one are up. */
    readonly handovers?: ReadonlyArray<{
      readonly instance: string
      readonly service: string
      readonly waitsFor: string
    }>
  }
  /** The store is away: others may have changed the state meanwhile. */
  readonly stale?: true
  /** Overrides of instances, made with ?scope=local while the store was away. */
  readonly overrides?: ReadonlyArray<{
    readonly instance: string
    readonly at: string
    readonly by: string
    readonly reason: string | null
    /** Such as `drain blue1`. */
    readonly what: string
  }>
  /** Instances that are out of touch: what they have in force and in flight is unknown. They are named until they are back, or struck off by DELETE /api/instances/{id}. */
  readonly leftOut?: ReadonlyArray<string>
}

export interface Conflict {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail: string
  /** Path of a page about this kind of problem: GET /docs/problems/…. */
  readonly help?: string
  /** Revision of the whole state; also in the ETag. */
  readonly revision?: number
  /** 409: pools and servers that a later change made take requests again. */
  readonly reopened?: ReadonlyArray<string>
  /** Deploy: the servers that are not up, as this instance has found them. */
  readonly servers?: ReadonlyArray<{
    readonly name: string
    readonly url: string
    readonly health: string
    readonly lastProbe: Probe | null
    /** In a fleet: the instances at which it is not up. */
    readonly at?: ReadonlyArray<string>
  }>
  /** The store is away: others may have changed the state meanwhile. */
  readonly stale?: true
  /** Overrides of instances, made with ?scope=local while the store was away. */
  readonly overrides?: ReadonlyArray<{
    readonly instance: string
    readonly at: string
    readonly by: string
    readonly reason: string | null
    /** Such as `drain blue1`. */
    readonly what: string
  }>
  /** Instances that are out of touch: what they have in force and in flight is unknown. They are named until they are back, or struck off by DELETE /api/instances/{id}. */
  readonly leftOut?: ReadonlyArray<string>
}

export interface MovedOn {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail: string
  /** 412: the revision in If-Match. */
  readonly expected: number
  /** 412: the last revision that changed the resource. */
  readonly actual: number
  /** Path of a page about this kind of problem: GET /docs/problems/…. */
  readonly help?: string
}

export interface Invalid {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail: string
  /** 422: the first fifty problems, with their paths. */
  readonly problems: ReadonlyArray<{
    readonly path: string
    readonly message: string
  }>
  /** Path of a page about this kind of problem: GET /docs/problems/…. */
  readonly help?: string
  /** 422: the number of further problems. */
  readonly moreProblems?: number
}

export interface NotYet {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail: string
  /** Revision of the whole state; also in the ETag. */
  readonly revision: number
  /** false: there was nothing to change, and no revision was made. */
  readonly changed: boolean
  readonly missing: {
    /** Instances that have not applied it. */
    readonly lagging: ReadonlyArray<string>
    /** Servers or pools that are not drained. */
    readonly underWay: ReadonlyArray<{
      readonly name: string
      /** Requests and tunnels in flight. */
      readonly inFlight: number
      /** In a fleet: the instances where they are. */
      readonly at?: ReadonlyArray<string>
    }>
    /** Services that keep their previous definition until the servers of the new one are up. */
    readonly handovers?: ReadonlyArray<{
      readonly instance: string
      readonly service: string
      readonly waitsFor: string
    }>
  }
  /** Path of a page about this kind of problem: GET /docs/problems/…. */
  readonly help?: string
  /** Instances that cannot read a definition, and keep the last readable one. */
  readonly cannotFollow?: ReadonlyArray<string>
  /** The store is away: others may have changed the state meanwhile. */
  readonly stale?: true
  /** Overrides of instances, made with ?scope=local while the store was away. */
  readonly overrides?: ReadonlyArray<{
    readonly instance: string
    readonly at: string
    readonly by: string
    readonly reason: string | null
    /** Such as `drain blue1`. */
    readonly what: string
  }>
  /** Instances that are out of touch: what they have in force and in flight is unknown. They are named until they are back, or struck off by DELETE /api/instances/{id}. */
  readonly leftOut?: ReadonlyArray<string>
}

export interface NotDeployed {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail: string
  /** Revision of the whole state; also in the ETag. */
  readonly revision: number
  /** Path of a page about this kind of problem: GET /docs/problems/…. */
  readonly help?: string
  /** Deploy: the servers that are not up, as this instance has found them. */
  readonly servers?: ReadonlyArray<{
    readonly name: string
    readonly url: string
    readonly health: string
    readonly lastProbe: Probe | null
    /** In a fleet: the instances at which it is not up. */
    readonly at?: ReadonlyArray<string>
  }>
  /** false: there was nothing to change, and no revision was made. */
  readonly changed?: boolean
  readonly missing?: {
    /** Instances that have not applied it. */
    readonly lagging: ReadonlyArray<string>
    /** Servers or pools that are not drained. */
    readonly underWay: ReadonlyArray<{
      readonly name: string
      /** Requests and tunnels in flight. */
      readonly inFlight: number
      /** In a fleet: the instances where they are. */
      readonly at?: ReadonlyArray<string>
    }>
    /** Services that keep their previous definition until the servers of the new one are up. */
    readonly handovers?: ReadonlyArray<{
      readonly instance: string
      readonly service: string
      readonly waitsFor: string
    }>
  }
  /** Instances that cannot read a definition, and keep the last readable one. */
  readonly cannotFollow?: ReadonlyArray<string>
  /** The store is away: others may have changed the state meanwhile. */
  readonly stale?: true
  /** Overrides of instances, made with ?scope=local while the store was away. */
  readonly overrides?: ReadonlyArray<{
    readonly instance: string
    readonly at: string
    readonly by: string
    readonly reason: string | null
    /** Such as `drain blue1`. */
    readonly what: string
  }>
  /** Instances that are out of touch: what they have in force and in flight is unknown. They are named until they are back, or struck off by DELETE /api/instances/{id}. */
  readonly leftOut?: ReadonlyArray<string>
}

export interface StatsOverTime {
  /** Revision of the whole state; also in the ETag. */
  readonly revision: number
  readonly service: string
  readonly window: string
  readonly stepSeconds: number
  /** End of each step. */
  readonly times: ReadonlyArray<string>
  readonly pools: ReadonlyArray<PoolOverTime>
}

export interface PoolOverTime {
  readonly name: string
  readonly version: string
  /** Requests per second. At each of `times`; null = there were no requests. */
  readonly rate: ReadonlyArray<number | null>
  /** Share of the requests with a 5xx or a response that broke off. At each of `times`; null = there were no requests. */
  readonly errorRate: ReadonlyArray<number | null>
  /** Duration, ms, that 50 % of the requests did not exceed. At each of `times`; null = there were no requests. */
  readonly p50: ReadonlyArray<number | null>
  /** Duration, ms, that 95 % of the requests did not exceed. At each of `times`; null = there were no requests. */
  readonly p95: ReadonlyArray<number | null>
  /** Duration, ms, that 99 % of the requests did not exceed. At each of `times`; null = there were no requests. */
  readonly p99: ReadonlyArray<number | null>
}

export interface Stats {
  /** Revision of the whole state; also in the ETag. */
  readonly revision: number
  readonly window: string
  /** Begin of the window: later than its length says if there are no earlier counts. */
  readonly from: string
  /** End of the window. */
  readonly at: string
  readonly services: ReadonlyArray<ServiceStats>
}

export interface ServiceStats {
  readonly name: string
  /** Requests that have ended. */
  readonly requests: number
  /** Requests per second. */
  readonly rate: number
  /** Share of the requests with a 5xx or a response that broke off; null = there were no requests. */
  readonly errorRate: number | null
  /** Share of the requests answered without an error. Requests whose client has left are in neither share. */
  readonly successRate: number | null
  /** Duration, ms, that 50 % of the requests did not exceed; null = there were none. */
  readonly p50: number | null
  /** Duration, ms, that 95 % of the requests did not exceed; null = there were none. */
  readonly p95: number | null
  /** Duration, ms, that 99 % of the requests did not exceed; null = there were none. */
  readonly p99: number | null
  /** Requests and tunnels in flight now. */
  readonly inFlight: number
  /** Requests that wait for a server now. */
  readonly queued: number
  /** Requests held now because the service is paused. */
  readonly held: number
  /** Requests sent again after a try that failed. */
  readonly retries: number
  /** Copies of requests sent to it. */
  readonly mirrored: number
  readonly pools: ReadonlyArray<PoolStats>
}

export interface PoolStats {
  readonly name: string
  readonly version: string
  /** Requests that have ended. */
  readonly requests: number
  /** Requests per second. */
  readonly rate: number
  /** Share of the requests with a 5xx or a response that broke off; null = there were no requests. */
  readonly errorRate: number | null
  /** Share of the requests answered without an error. Requests whose client has left are in neither share. */
  readonly successRate: number | null
  /** Duration, ms, that 50 % of the requests did not exceed; null = there were none. */
  readonly p50: number | null
  /** Duration, ms, that 95 % of the requests did not exceed; null = there were none. */
  readonly p95: number | null
  /** Duration, ms, that 99 % of the requests did not exceed; null = there were none. */
  readonly p99: number | null
  /** Requests and tunnels in flight now. */
  readonly inFlight: number
  /** Requests that wait for a server now. */
  readonly queued: number
  /** Requests held now because the service is paused. */
  readonly held: number
  /** Requests sent again after a try that failed. */
  readonly retries: number
  /** Copies of requests sent to it. */
  readonly mirrored: number
  readonly servers: ReadonlyArray<ServerStats>
}

export interface ServerStats {
  readonly name: string
  /** Requests that have ended. */
  readonly requests: number
  /** Requests per second. */
  readonly rate: number
  /** Share of the requests with a 5xx or a response that broke off; null = there were no requests. */
  readonly errorRate: number | null
  /** Share of the requests answered without an error. Requests whose client has left are in neither share. */
  readonly successRate: number | null
  /** Duration, ms, that 50 % of the requests did not exceed; null = there were none. */
  readonly p50: number | null
  /** Duration, ms, that 95 % of the requests did not exceed; null = there were none. */
  readonly p95: number | null
  /** Duration, ms, that 99 % of the requests did not exceed; null = there were none. */
  readonly p99: number | null
  /** Requests and tunnels in flight now. */
  readonly inFlight: number
  /** Requests that wait for a server now. */
  readonly queued: number
  /** Requests held now because the service is paused. */
  readonly held: number
  /** Requests sent again after a try that failed. */
  readonly retries: number
  /** Copies of requests sent to it. */
  readonly mirrored: number
}

export interface Rollout {
  readonly id: string
  readonly service: string
  /** The stable pool. */
  readonly from: string
  /** The canary. */
  readonly to: string
  readonly state:
    | 'Pending'
    | 'Initializing'
    | 'Progressing'
    | 'Paused'
    | 'Promoting'
    | 'Watching'
    | 'Succeeded'
    | 'Aborting'
    | 'Aborted'
    | 'Superseded'
  /** Why it is paused, or was aborted. */
  readonly reason: string | null
  /** The same for people, with figures. */
  readonly detail: string | null
  readonly strategy: string
  readonly step: {
    /** From 1. */
    readonly index: number
    readonly of: number
    readonly kind:
      | 'waitHealthy'
      | 'route'
      | 'mirror'
      | 'hook'
      | 'setWeight'
      | 'pause'
      | 'analysis'
      | 'healthGate'
      | null
    readonly attempt: number
    readonly since: string
    /** Seconds of it in which the fleet's counts were known. */
    readonly soakSeconds: number
    /** The gate that waits for an approval. */
    readonly gate: string | null
  }
  readonly steps: ReadonlyArray<{
    readonly index: number
    readonly kind: 'waitHealthy' | 'route' | 'mirror' | 'hook' | 'setWeight' | 'pause' | 'analysis' | 'healthGate'
    readonly text: string
  }>
  readonly weight: {
    /** Share of the canary, percent. */
    readonly set: number
    /** Share of the requests that it got, percent; null = there were none. */
    readonly measured: number | null
    /** Whether the canary gets more or less than its weight. */
    readonly drift: 'ok' | 'more' | 'less'
  }
  readonly convergence: {
    readonly applied: boolean
    readonly lagging: ReadonlyArray<string>
  }
  /** Name of the instance that runs it. */
  readonly leader: string | null
  /** Number of the leader's lease. */
  readonly epoch: number
  readonly metrics: ReadonlyArray<RolloutMetric>
  readonly waitingFor: string | null
  /** The smallest ratio of bad requests that the current step can find at this rate. */
  readonly findableRatio: number | null
  readonly by: string
  readonly note: string | null
  readonly startedAt: string
  readonly endedAt: string | null
}

export interface RolloutMetric {
  readonly name: string
  readonly kind: 'errorRate' | 'latency' | 'web'
  readonly canary: {
    readonly requests: number
    readonly bad: number
  }
  readonly stable: {
    readonly requests: number
    readonly bad: number
  }
  /** Share of bad requests, canary to stable. */
  readonly ratio: number | null
  /** That the canary is worse; it fails when this reaches the threshold. */
  readonly evidence: number
  readonly threshold: number
  readonly verdict: 'none' | 'ok' | 'failed' | 'overMax'
  /** latency: slower requests are bad. */
  readonly thresholdMs: number | null
  /** web: the last measurement. */
  readonly value: number | null
  /** web: why it could not be measured. */
  readonly problem: string | null
}

export interface Rollouts {
  /** Revision of the whole state; also in the ETag. */
  readonly revision: number
  readonly rollouts: ReadonlyArray<Rollout>
  /** The store is away: others may have changed the state meanwhile. */
  readonly stale?: true
  /** Overrides of instances, made with ?scope=local while the store was away. */
  readonly overrides?: ReadonlyArray<{
    readonly instance: string
    readonly at: string
    readonly by: string
    readonly reason: string | null
    /** Such as `drain blue1`. */
    readonly what: string
  }>
  /** Instances that are out of touch: what they have in force and in flight is unknown. They are named until they are back, or struck off by DELETE /api/instances/{id}. */
  readonly leftOut?: ReadonlyArray<string>
}

export interface RolloutShown {
  /** Revision of the whole state; also in the ETag. */
  readonly revision: number
  readonly rollout: Rollout
  /** The store is away: others may have changed the state meanwhile. */
  readonly stale?: true
  /** Overrides of instances, made with ?scope=local while the store was away. */
  readonly overrides?: ReadonlyArray<{
    readonly instance: string
    readonly at: string
    readonly by: string
    readonly reason: string | null
    /** Such as `drain blue1`. */
    readonly what: string
  }>
  /** Instances that are out of touch: what they have in force and in flight is unknown. They are named until they are back, or struck off by DELETE /api/instances/{id}. */
  readonly leftOut?: ReadonlyArray<string>
}

export interface GateLinks {
  readonly approve: string
  readonly reject: string
  readonly expiresAt: string
}

export interface RolloutPlan {
  /** Revision of the whole state; also in the ETag. */
  readonly revision: number
  readonly dryRun: true
  readonly rollout: Rollout
  /** What each comparison could find at the rate of the last minutes. */
  readonly remarks: ReadonlyArray<string>
}
