// Written by `npm run client`; do not edit.

import type {
  Caller,
  Certificates,
  CertificatesOrdered,
  Configuration,
  Definition,
  Deployed,
  Explanation,
  GateLinks,
  Health,
  History,
  Instance,
  InstanceStruck,
  Instances,
  Live,
  Overrides,
  PreviewLink,
  Ready,
  Reloaded,
  RolloutPlan,
  RolloutShown,
  Rollouts,
  RolloutWritten,
  Servers,
  ServersWritten,
  Service,
  Services,
  Stats,
  StatsOverTime,
  WorkersRestarted,
  Written,
} from './answers.ts'

import type { PoolDefinition, ServerDefinition, ServiceDefinition } from './definitions.ts'

/** Options of every change. */
export interface WriteOptions {
  /** Answer when every instance has applied the change and drained what it drains; 504 after this time. Default: "0". */
  readonly wait?: string | undefined
  /** Do it even if that breaks a promise; recorded in the history. Default: false. */
  readonly force?: boolean | undefined
  /** Reason, recorded in the history. */
  readonly reason?: string | undefined
  /** Refuse the change unless the resource is still at this revision. */
  readonly ifMatch?: number | undefined
}

/** What each operation of the API takes and answers. */
export interface Operations {
  /** All services. */
  'GET /api/services': {
    readonly names: readonly []
    readonly options: Record<never, never>
    readonly answer: Services
  }
  /** One service. */
  'GET /api/services/{service}': {
    readonly names: readonly [service: string]
    readonly options: Record<never, never>
    readonly answer: Service
  }
  /** Create or replace a service. */
  'PUT /api/services/{service}': {
    readonly names: readonly [service: string]
    readonly body: ServiceDefinition
    readonly options: WriteOptions
    readonly answer: Written
  }
  /** Change parts of a service (merge patch, RFC 7396). */
  'PATCH /api/services/{service}': {
    readonly names: readonly [service: string]
    readonly body: {
      readonly [name: string]: unknown
    }
    readonly options: WriteOptions
    readonly answer: Written
  }
  /** Remove a service. */
  'DELETE /api/services/{service}': {
    readonly names: readonly [service: string]
    readonly options: WriteOptions
    readonly answer: Written
  }
  /** The definition of a service: as written, and with all defaults. Either can be written back by PUT. */
  'GET /api/services/{service}/definition': {
    readonly names: readonly [service: string]
    readonly options: Record<never, never>
    readonly answer: Definition
  }
  /** History of changes with author and reason, newest first. */
  'GET /api/services/{service}/history': {
    readonly names: readonly [service: string]
    readonly options: {
      /** Max number of entries. Default: 100. */
      readonly limit?: number | undefined
    }
    readonly answer: History
  }
  /** Create or replace a pool. */
  'PUT /api/services/{service}/pools/{pool}': {
    readonly names: readonly [service: string, pool: string]
    readonly body: PoolDefinition
    readonly options: WriteOptions
    readonly answer: Written
  }
  /** Drain and remove a pool. */
  'DELETE /api/services/{service}/pools/{pool}': {
    readonly names: readonly [service: string, pool: string]
    readonly options: WriteOptions
    readonly answer: Written
  }
  /** Create or replace a server. */
  'PUT /api/services/{service}/pools/{pool}/servers/{server}': {
    readonly names: readonly [service: string, pool: string, server: string]
    readonly body: ServerDefinition
    readonly options: WriteOptions
    readonly answer: Written
  }
  /** Drain and remove a server. */
  'DELETE /api/services/{service}/pools/{pool}/servers/{server}': {
    readonly names: readonly [service: string, pool: string, server: string]
    readonly options: WriteOptions
    readonly answer: Written
  }
  /** Rate, errors and durations of the requests, by service, pool, version and server. */
  'GET /api/stats': {
    readonly names: readonly []
    readonly options: {
      /** The time that the figures are about. Default: "60s". */
      readonly window?: '10s' | '60s' | '5m' | '1h' | undefined
      /** Only this service. */
      readonly service?: string | undefined
      /** fleet: the requests of all instances; instance: only those of the one that answers. Default: "fleet". */
      readonly scope?: 'fleet' | 'instance' | undefined
      /** End of the window, a time of the last two hours; by default the last second that is complete. */
      readonly at?: string | undefined
    }
    readonly answer: Stats
  }
  /** Rate, errors and durations of the requests of a service, by pool and version, step by step. */
  'GET /api/services/{service}/series': {
    readonly names: readonly [service: string]
    readonly options: {
      /** The time that the figures are about. Default: "10m". */
      readonly window?: '2m' | '10m' | '1h' | '2h' | undefined
    }
    readonly answer: StatsOverTime
  }
  /** Move all traffic to one pool, if it has enough servers up. */
  'POST /api/services/{service}/switch': {
    readonly names: readonly [service: string]
    readonly options: WriteOptions & {
      /** local: only this instance, while the store is away or takes no changes; ends when the store takes changes again, or with DELETE /api/overrides. Default: "fleet". */
      readonly scope?: 'fleet' | 'local' | undefined
      /** The pool that gets all traffic; with two pools, by default the other one. */
      readonly to?: string | undefined
      /** Time after which requests that are still in flight at the old pool are cut; by default never. Also if all traffic is at the new pool already. */
      readonly drain?: string | 0 | undefined
      /** A repetition with the same key, within a day and at any instance, is answered as the first one was. */
      readonly idempotencyKey?: string | undefined
    }
    readonly answer: Written
  }
  /** Change the split by percentages. */
  'POST /api/services/{service}/shift': {
    readonly names: readonly [service: string]
    readonly options: WriteOptions & {
      /** The pool whose share is set; the others keep their proportions. */
      readonly to?: string | undefined
      /** Its share in percent. */
      readonly percent?: number | undefined
      /** Percent per pool, summing to 100. */
      readonly split?:
        | {
            readonly [name: string]: unknown
          }
        | undefined
      /** A repetition with the same key, within a day and at any instance, is answered as the first one was. */
      readonly idempotencyKey?: string | undefined
    }
    readonly answer: Written
  }
  /** Return to the previous routing decision. */
  'POST /api/services/{service}/rollback': {
    readonly names: readonly [service: string]
    readonly options: WriteOptions & {
      /** Return to the decision in force at this revision; by default the previous one. */
      readonly revision?: number | undefined
      /** A repetition with the same key, within a day and at any instance, is answered as the first one was. */
      readonly idempotencyKey?: string | undefined
    }
    readonly answer: Written
  }
  /** Hold all requests of a service until it is resumed; ?wait= answers when no instance has one in flight at a server. */
  'POST /api/services/{service}/pause': {
    readonly names: readonly [service: string]
    readonly options: WriteOptions & {
      /** Max time that a request is held; then it is answered 504. Default: "30s". */
      readonly for?: string | 0 | undefined
      /** Max requests of this service held by each instance; further ones are answered 503. By default only proxy.limits.held counts. */
      readonly maxHeld?: number | undefined
      /** A repetition with the same key, within a day and at any instance, is answered as the first one was. */
      readonly idempotencyKey?: string | undefined
    }
    readonly answer: Written
  }
  /** Serve the requests of a service again; those that were held go where they are right now. */
  'POST /api/services/{service}/resume': {
    readonly names: readonly [service: string]
    readonly options: WriteOptions & {
      /** A repetition with the same key, within a day and at any instance, is answered as the first one was. */
      readonly idempotencyKey?: string | undefined
    }
    readonly answer: Written
  }
  /** Answer all requests of a service with a message; those in flight finish. */
  'POST /api/services/{service}/stop': {
    readonly names: readonly [service: string]
    readonly options: WriteOptions & {
      /** Text of the answer. Default: "The service is stopped.". */
      readonly message?: string | undefined
      /** Status of the answer. Default: 503. */
      readonly status?: number | undefined
      /** Retry-After of the answer, in whole seconds; 0 = none. Default: "30s". */
      readonly retryAfter?: string | 0 | undefined
      /** A repetition with the same key, within a day and at any instance, is answered as the first one was. */
      readonly idempotencyKey?: string | undefined
    }
    readonly answer: Written
  }
  /** Put servers into a pool without traffic, switch to it once all of them are up, and answer when the old pool is idle; on failure the traffic is untouched and the pool as before. */
  'POST /api/services/{service}/deploy': {
    readonly names: readonly [service: string]
    readonly options: WriteOptions & {
      /** A pool without a share, or a new one; by default that of the deploy to replace, or else the pool without a share, of two. */
      readonly pool?: string | undefined
      /** Version of the app; by default the name of the pool. */
      readonly version?: string | undefined
      /** The servers of this pool, by name. Default: {}. */
      readonly servers?:
        | {
            readonly [name: string]: ServerDefinition
          }
        | undefined
      /** Max time until all servers are up; then, until the old pools have nothing in flight. Default: "60s". */
      readonly timeout?: string | 0 | undefined
      /** Time after which requests that are still in flight at the old pools are cut; by default never. */
      readonly drain?: string | 0 | undefined
      /** End a deploy of the service that runs, and take its place. Default: false. */
      readonly replace?: boolean | undefined
      /** A repetition with the same key, within a day and at any instance, is answered as the first one was. */
      readonly idempotencyKey?: string | undefined
    }
    readonly answer: Deployed
  }
  /** The rollouts of a service, newest first. */
  'GET /api/services/{service}/rollouts': {
    readonly names: readonly [service: string]
    readonly options: Record<never, never>
    readonly answer: Rollouts
  }
  /** Roll out a pool: steps that the traffic judges, to all of it or back to none. */
  'POST /api/services/{service}/rollouts': {
    readonly names: readonly [service: string]
    readonly options: WriteOptions & {
      /** true: say what would happen, and change nothing. Default: false. */
      readonly dryRun?: boolean | undefined
      /** The pool to roll out; by default the one without a share, of two. */
      readonly to?: string | undefined
      /** While another rollout of the service runs: refuse this one, or end that one. Default: "refuse". */
      readonly concurrency?: 'refuse' | 'replace' | undefined
      /** canary: 5, 25, 50, 98 %, each judged; blueGreen: one switch, then watched; rolling: server by server; healthGate: one switch, taken back unless a path answers. By default canary. */
      readonly strategy?: 'canary' | 'blueGreen' | 'rolling' | 'healthGate' | undefined
      /** Steps of your own, in place of a strategy. */
      readonly steps?:
        | ReadonlyArray<{
            /** Waits until servers of the pool are up. */
            readonly waitHealthy?:
              | {
                  /** Number of servers; by default all. */
                  readonly servers?: number | undefined
                  /** Max time; by default progressDeadline. */
                  readonly timeout?: string | 0 | undefined
                }
              | undefined
            /** Sends matching requests to the pool until the end of the rollout. */
            readonly route?:
              | {
                  /** Name of the route in figures. */
                  readonly name: string
                  /** Conditions; all must hold. */
                  readonly match: {
                    /** The method, or several. */
                    readonly method?: string | ReadonlyArray<string> | undefined
                    /** The path without the query, or conditions on it. */
                    readonly path?:
                      | string
                      | {
                          /** true: there is a value; false: there is none. */
                          readonly present?: boolean | undefined
                          /** Begin of the value; of a path, whole segments. */
                          readonly prefix?: string | undefined
                          /** End of the value. */
                          readonly suffix?: string | undefined
                          /** Part of the value. */
                          readonly contains?: string | undefined
                        }
                      | undefined
                    /** Header fields. */
                    readonly header?:
                      | {
                          readonly [name: string]:
                            | string
                            | {
                                /** true: there is a value; false: there is none. */
                                readonly present?: boolean | undefined
                                /** Begin of the value; of a path, whole segments. */
                                readonly prefix?: string | undefined
                                /** End of the value. */
                                readonly suffix?: string | undefined
                                /** Part of the value. */
                                readonly contains?: string | undefined
                              }
                        }
                      | undefined
                    /** Cookies. */
                    readonly cookie?:
                      | {
                          readonly [name: string]:
                            | string
                            | {
                                /** true: there is a value; false: there is none. */
                                readonly present?: boolean | undefined
                                /** Begin of the value; of a path, whole segments. */
                                readonly prefix?: string | undefined
                                /** End of the value. */
                                readonly suffix?: string | undefined
                                /** Part of the value. */
                                readonly contains?: string | undefined
                              }
                        }
                      | undefined
                    /** Query parameters. */
                    readonly query?:
                      | {
                          readonly [name: string]:
                            | string
                            | {
                                /** true: there is a value; false: there is none. */
                                readonly present?: boolean | undefined
                                /** Begin of the value; of a path, whole segments. */
                                readonly prefix?: string | undefined
                                /** End of the value. */
                                readonly suffix?: string | undefined
                                /** Part of the value. */
                                readonly contains?: string | undefined
                              }
                        }
                      | undefined
                    /** The client's address or network, or several. */
                    readonly ip?: string | ReadonlyArray<string> | undefined
                    /** Conditions that must not all hold. */
                    readonly not?:
                      | {
                          /** The method, or several. */
                          readonly method?: string | ReadonlyArray<string> | undefined
                          /** The path without the query, or conditions on it. */
                          readonly path?:
                            | string
                            | {
                                /** true: there is a value; false: there is none. */
                                readonly present?: boolean | undefined
                                /** Begin of the value; of a path, whole segments. */
                                readonly prefix?: string | undefined
                                /** End of the value. */
                                readonly suffix?: string | undefined
                                /** Part of the value. */
                                readonly contains?: string | undefined
                              }
                            | undefined
                          /** Header fields. */
                          readonly header?:
                            | {
                                readonly [name: string]:
                                  | string
                                  | {
                                      /** true: there is a value; false: there is none. */
                                      readonly present?: boolean | undefined
                                      /** Begin of the value; of a path, whole segments. */
                                      readonly prefix?: string | undefined
                                      /** End of the value. */
                                      readonly suffix?: string | undefined
                                      /** Part of the value. */
                                      readonly contains?: string | undefined
                                    }
                              }
                            | undefined
                          /** Cookies. */
                          readonly cookie?:
                            | {
                                readonly [name: string]:
                                  | string
                                  | {
                                      /** true: there is a value; false: there is none. */
                                      readonly present?: boolean | undefined
                                      /** Begin of the value; of a path, whole segments. */
                                      readonly prefix?: string | undefined
                                      /** End of the value. */
                                      readonly suffix?: string | undefined
                                      /** Part of the value. */
                                      readonly contains?: string | undefined
                                    }
                              }
                            | undefined
                          /** Query parameters. */
                          readonly query?:
                            | {
                                readonly [name: string]:
                                  | string
                                  | {
                                      /** true: there is a value; false: there is none. */
                                      readonly present?: boolean | undefined
                                      /** Begin of the value; of a path, whole segments. */
                                      readonly prefix?: string | undefined
                                      /** End of the value. */
                                      readonly suffix?: string | undefined
                                      /** Part of the value. */
                                      readonly contains?: string | undefined
                                    }
                              }
                            | undefined
                          /** The client's address or network, or several. */
                          readonly ip?: string | ReadonlyArray<string> | undefined
                        }
                      | undefined
                  }
                }
              | undefined
            /** Sends copies of requests to the pool; percent: 0 ends that. */
            readonly mirror?:
              | {
                  /** Share of the requests that are copied. Default: 100. */
                  readonly percent?: number | undefined
                  /** Methods of the requests that are copied. The copies are executed: choose those that change nothing. Default: ["GET","HEAD"]. */
                  readonly methods?: ReadonlyArray<string> | undefined
                  /** Requests with larger bodies are not copied; 0 = only those without a body. Default: "1mb". */
                  readonly bodyBytes?: string | number | undefined
                  /** Max copies at a time in each worker; further ones are dropped. Default: 64. */
                  readonly inFlight?: number | undefined
                }
              | undefined
            /** Calls a URL, and goes on when it answers 2xx. */
            readonly hook?:
              | {
                  /** Called by POST; a 2xx goes on. */
                  readonly url: string
                  /** Max time of a call. Default: "10s". */
                  readonly timeout?: string | 0 | undefined
                  /** Further calls after one that fails. Default: 2. */
                  readonly retries?: number | undefined
                }
              | undefined
            /** Share of the requests that the pool gets. */
            readonly setWeight?: number | undefined
            /** Raises the weight step by step, each one judged. */
            readonly ramp?:
              | {
                  /** First weight. */
                  readonly from: number
                  /** Last weight. */
                  readonly to: number
                  /** Each weight is so many times the one before. */
                  readonly factor?: number | undefined
                  /** Each weight is so much more than the one before. */
                  readonly by?: number | undefined
                  /** How long each weight is judged. Default: "3m". */
                  readonly interval?: string | 0 | undefined
                }
              | undefined
            /** Waits for a time, or for an approval. */
            readonly pause?:
              | {
                  /** Name of the gate; by default gate-1, gate-2 and so on. */
                  readonly name?: string | undefined
                  /** How long; by default until it is approved. */
                  readonly for?: string | 0 | undefined
                  /** Max time to wait for an approval. */
                  readonly timeout?: string | 0 | undefined
                  /** What happens when nobody has approved in time. Default: "abort". */
                  readonly onTimeout?: 'abort' | 'approve' | undefined
                }
              | undefined
            /** Compares the pool with the stable one; goes on if it is no worse. */
            readonly analysis?:
              | {
                  /** How long both pools are compared. Default: "5m". */
                  readonly duration?: string | 0 | undefined
                  /** Max time to gather enough evidence; by default six times duration. */
                  readonly maxDuration?: string | 0 | undefined
                }
              | undefined
            /** Asks servers of the pool for a path until one answers 2xx; if none does, the rollout fails. */
            readonly healthGate?:
              | {
                  /** Path that servers of the pool are asked for. Default: "/health". */
                  readonly path?: string | undefined
                  /** Max number of requests. Default: 5. */
                  readonly times?: number | undefined
                  /** Time between two of them. Default: "10s". */
                  readonly interval?: string | 0 | undefined
                }
              | undefined
          }>
        | undefined
      /** canary, rolling: how long each weight is judged; by default 5m and 1m. */
      readonly stepDuration?: string | 0 | undefined
      /** blueGreen: wait for an approval before the switch. Default: false. */
      readonly approval?: boolean | undefined
      /** Asks servers of the pool for a path until one answers 2xx; if none does, the rollout fails. */
      readonly healthGate?:
        | {
            /** Path that servers of the pool are asked for. Default: "/health". */
            readonly path?: string | undefined
            /** Max number of requests. Default: 5. */
            readonly times?: number | undefined
            /** Time between two of them. Default: "10s". */
            readonly interval?: string | 0 | undefined
          }
        | undefined
      /** How the canary is judged, whenever it has traffic. Default: {}. */
      readonly analysis?:
        | {
            /** Time between two looks. Default: "5s". */
            readonly tick?: string | 0 | undefined
            /** high finds more and is wrong more often; strict the other way round. Default: "normal". */
            readonly sensitivity?: 'high' | 'normal' | 'strict' | undefined
            /** Requests of each side that a step needs; auto = enough to find maxRatio. Default: "auto". */
            readonly minRequests?: 'auto' | number | undefined
            /** The ratio of bad requests, canary to stable, that a step must be able to find (minRequests: auto). Default: 5. */
            readonly maxRatio?: number | undefined
            /** When a step has not passed: wait until maxDuration and pause, pause at once, or abort at maxDuration. Default: "wait". */
            readonly onInconclusive?: 'wait' | 'pause' | 'abort' | undefined
            /** By default errors and slow requests. */
            readonly metrics?:
              | ReadonlyArray<{
                  /** Name of the metric. */
                  readonly name: string
                  /** What is measured. */
                  readonly kind: 'errorRate' | 'latency' | 'web'
                  /** Tolerated odds ratio of bad requests, canary to stable. Default: 1.25. */
                  readonly allowedIncrease?: number | undefined
                  /** Max share of bad requests of the canary, such as 1%; web: max value. */
                  readonly max?: string | number | undefined
                  /** What a share above max does: no step passes, or the rollout fails. Default: "hold". */
                  readonly absolute?: 'hold' | 'abort' | undefined
                  /** It is shown, and decides nothing. Default: false. */
                  readonly dryRun?: boolean | undefined
                  /** latency: requests slower than this are bad; auto = the p95 of the stable pool at the start. */
                  readonly threshold?: 'auto' | string | 0 | undefined
                  /** web: where the number is asked for. */
                  readonly url?: string | undefined
                  /** web: where the number is in the answer. Default: "$". */
                  readonly jsonPath?: string | undefined
                  /** web: min value. */
                  readonly min?: number | undefined
                  /** web: time between two measurements. Default: "60s". */
                  readonly interval?: string | 0 | undefined
                  /** web: tolerated failures in a row. Default: 2. */
                  readonly failureLimit?: number | undefined
                }>
              | undefined
          }
        | undefined
      /** Each worker stops sending to a canary that fails, or off. Default: {}. */
      readonly fuse?:
        | 'off'
        | false
        | {
            /** Time whose answers count. Default: "10s". */
            readonly window?: string | 0 | undefined
            /** Min answers of the canary. Default: 10. */
            readonly minRequests?: number | undefined
            /** Share of failures from which it trips. Default: "50%". */
            readonly errorRate?: string | 0 | undefined
            /** With this share of failures at the stable pool, the canary is not to blame. Default: "10%". */
            readonly stableMax?: string | 0 | undefined
          }
        | undefined
      /** What a failure does. Default: "abort". */
      readonly onFailure?: 'abort' | 'pause' | undefined
      /** While too few servers of the stable pool are up: wait, or promote the canary. Default: "pause". */
      readonly ifStableUnhealthy?: 'pause' | 'fastTrack' | undefined
      /** When an instance cannot reach the store. Default: {}. */
      readonly onStoreLoss?:
        | {
            /** Time without the store. Default: "30s". */
            readonly after?: string | 0 | undefined
            /** What an instance does then: all requests to the stable pool, or nothing. Default: "stable". */
            readonly action?: 'stable' | 'hold' | undefined
          }
        | undefined
      /** The rollout goes on after the promotion, and returns at once if the pool fails. 0 = not. */
      readonly watch?:
        | {
            /** How long. Default: "10m". */
            readonly duration?: string | 0 | undefined
          }
        | undefined
      /** Max time of a step that waits for servers or instances. Default: "10m". */
      readonly progressDeadline?: string | 0 | undefined
      /** Max time until the promotion. Default: "4h". */
      readonly maxDuration?: string | 0 | undefined
      /** A repetition with the same key, within a day and at any instance, is answered as the first one was. */
      readonly idempotencyKey?: string | undefined
    }
    readonly answer: RolloutPlan | RolloutWritten
  }
  /** A rollout: state, evidence, and what it waits for. */
  'GET /api/services/{service}/rollouts/{id}': {
    readonly names: readonly [service: string, id: string]
    readonly options: Record<never, never>
    readonly answer: RolloutShown
  }
  /** Hold a rollout where it is; the canary keeps its share, and a failure still aborts it. */
  'POST /api/services/{service}/rollouts/{id}/pause': {
    readonly names: readonly [service: string, id: string]
    readonly options: WriteOptions & {
      /** A repetition with the same key, within a day and at any instance, is answered as the first one was. */
      readonly idempotencyKey?: string | undefined
    }
    readonly answer: RolloutWritten
  }
  /** Go on after a pause; after one for lack of evidence, the step begins again. */
  'POST /api/services/{service}/rollouts/{id}/resume': {
    readonly names: readonly [service: string, id: string]
    readonly options: WriteOptions & {
      /** A repetition with the same key, within a day and at any instance, is answered as the first one was. */
      readonly idempotencyKey?: string | undefined
    }
    readonly answer: RolloutWritten
  }
  /** Leave the current step, as if it had passed. */
  'POST /api/services/{service}/rollouts/{id}/skip': {
    readonly names: readonly [service: string, id: string]
    readonly options: WriteOptions & {
      /** A repetition with the same key, within a day and at any instance, is answered as the first one was. */
      readonly idempotencyKey?: string | undefined
    }
    readonly answer: RolloutWritten
  }
  /** Return to the weight before the current one. */
  'POST /api/services/{service}/rollouts/{id}/back': {
    readonly names: readonly [service: string, id: string]
    readonly options: WriteOptions & {
      /** A repetition with the same key, within a day and at any instance, is answered as the first one was. */
      readonly idempotencyKey?: string | undefined
    }
    readonly answer: RolloutWritten
  }
  /** Take all requests from the canary at once. */
  'POST /api/services/{service}/rollouts/{id}/abort': {
    readonly names: readonly [service: string, id: string]
    readonly options: WriteOptions & {
      /** A repetition with the same key, within a day and at any instance, is answered as the first one was. */
      readonly idempotencyKey?: string | undefined
    }
    readonly answer: RolloutWritten
  }
  /** Begin the current step again with new evidence; of an aborted rollout, begin it anew. */
  'POST /api/services/{service}/rollouts/{id}/retry': {
    readonly names: readonly [service: string, id: string]
    readonly options: WriteOptions & {
      /** A repetition with the same key, within a day and at any instance, is answered as the first one was. */
      readonly idempotencyKey?: string | undefined
    }
    readonly answer: RolloutWritten
  }
  /** Go on to the next step, to a later one (toStep), or to all of the traffic (full). */
  'POST /api/services/{service}/rollouts/{id}/promote': {
    readonly names: readonly [service: string, id: string]
    readonly options: WriteOptions & {
      /** Skip all steps that are left. Default: false. */
      readonly full?: boolean | undefined
      /** Number of the step to go on with, from 1. */
      readonly toStep?: number | undefined
      /** A repetition with the same key, within a day and at any instance, is answered as the first one was. */
      readonly idempotencyKey?: string | undefined
    }
    readonly answer: RolloutWritten
  }
  /** Give the canary another share within the current step. */
  'POST /api/services/{service}/rollouts/{id}/setWeight': {
    readonly names: readonly [service: string, id: string]
    readonly options: WriteOptions & {
      /** Share of the requests that the canary gets. */
      readonly percent?: number | undefined
      /** A repetition with the same key, within a day and at any instance, is answered as the first one was. */
      readonly idempotencyKey?: string | undefined
    }
    readonly answer: RolloutWritten
  }
  /** Let a rollout pass a gate. */
  'POST /api/services/{service}/rollouts/{id}/gates/{gate}/approve': {
    readonly names: readonly [service: string, id: string, gate: string]
    readonly options: WriteOptions & {
      /** A repetition with the same key, within a day and at any instance, is answered as the first one was. */
      readonly idempotencyKey?: string | undefined
    }
    readonly answer: RolloutWritten
  }
  /** Abort a rollout at a gate. */
  'POST /api/services/{service}/rollouts/{id}/gates/{gate}/reject': {
    readonly names: readonly [service: string, id: string, gate: string]
    readonly options: WriteOptions & {
      /** A repetition with the same key, within a day and at any instance, is answered as the first one was. */
      readonly idempotencyKey?: string | undefined
    }
    readonly answer: RolloutWritten
  }
  /** Keep the routing of a service as it is: switches, shifts, deploys and rollouts are refused, unless forced. */
  'POST /api/services/{service}/freeze': {
    readonly names: readonly [service: string]
    readonly options: WriteOptions & {
      /** A repetition with the same key, within a day and at any instance, is answered as the first one was. */
      readonly idempotencyKey?: string | undefined
    }
    readonly answer: Written
  }
  /** Let the routing of a service be changed again. */
  'POST /api/services/{service}/unfreeze': {
    readonly names: readonly [service: string]
    readonly options: WriteOptions & {
      /** A repetition with the same key, within a day and at any instance, is answered as the first one was. */
      readonly idempotencyKey?: string | undefined
    }
    readonly answer: Written
  }
  /** Links to approve or reject the gate at which a rollout waits; they work once, without a token. */
  'POST /api/services/{service}/rollouts/{id}/gates/{gate}/links': {
    readonly names: readonly [service: string, id: string, gate: string]
    readonly options: {
      /** How long the links are good. Default: "1d". */
      readonly expiresIn?: string | 0 | undefined
      /** A repetition with the same key, within a day and at any instance, is answered as the first one was. */
      readonly idempotencyKey?: string | undefined
    }
    readonly answer: GateLinks
  }
  /** Which pool and servers such a request would get now, and why not the others. */
  'GET /api/explain': {
    readonly names: readonly []
    readonly options: {
      /** Host of the request; by default one of the hosts of the service, or localhost. */
      readonly host?: string | undefined
      /** Method of the request. Default: "GET". */
      readonly method?: string | undefined
      /** Path and query of the request; by default the first path of the service, or /. */
      readonly path?: string | undefined
      /** A header field, NAME:VALUE; may be repeated. */
      readonly header?: string | ReadonlyArray<string> | undefined
      /** A cookie, NAME=VALUE; may be repeated. */
      readonly cookie?: string | ReadonlyArray<string> | undefined
      /** Address of the client. Default: "127.0.0.1". */
      readonly ip?: string | undefined
    }
    readonly answer: Explanation
  }
  /** Which pool and servers such a request would get now, and why not the others. */
  'GET /api/services/{service}/explain': {
    readonly names: readonly [service: string]
    readonly options: {
      /** Host of the request; by default one of the hosts of the service, or localhost. */
      readonly host?: string | undefined
      /** Method of the request. Default: "GET". */
      readonly method?: string | undefined
      /** Path and query of the request; by default the first path of the service, or /. */
      readonly path?: string | undefined
      /** A header field, NAME:VALUE; may be repeated. */
      readonly header?: string | ReadonlyArray<string> | undefined
      /** A cookie, NAME=VALUE; may be repeated. */
      readonly cookie?: string | ReadonlyArray<string> | undefined
      /** Address of the client. Default: "127.0.0.1". */
      readonly ip?: string | undefined
    }
    readonly answer: Explanation
  }
  /** All servers. */
  'GET /api/servers': {
    readonly names: readonly []
    readonly options: {
      /** Only servers of this service. */
      readonly service?: string | undefined
      /** Only servers of pools of this name. */
      readonly pool?: string | undefined
    }
    readonly answer: Servers
  }
  /** Every server of a name. */
  'GET /api/servers/{server}': {
    readonly names: readonly [server: string]
    readonly options: {
      /** Only servers of this service. */
      readonly service?: string | undefined
      /** Only servers of pools of this name. */
      readonly pool?: string | undefined
    }
    readonly answer: Servers
  }
  /** Change weight, state and limit. */
  'PATCH /api/servers/{server}': {
    readonly names: readonly [server: string]
    readonly body: {
      /** Overrides the configured weight; null = as configured. */
      readonly weight?: number | null | undefined
      /** ready, drain or maint. */
      readonly state?: 'ready' | 'drain' | 'maint' | undefined
      /** Overrides connections.perServer of the service; 0 = no limit, null = as configured. */
      readonly maxConnections?: number | null | undefined
      /** Do it even if that breaks a promise; recorded in the history. Default: false. */
      readonly force?: boolean | undefined
      /** Reason, recorded in the history. Default: "". */
      readonly reason?: string | undefined
    }
    readonly options: WriteOptions & {
      /** Only servers of this service. */
      readonly service?: string | undefined
      /** Only servers of pools of this name. */
      readonly pool?: string | undefined
    }
    readonly answer: ServersWritten
  }
  /** Take a server out: it gets no new requests, and finishes those in flight. */
  'POST /api/servers/{server}/disable': {
    readonly names: readonly [server: string]
    readonly options: WriteOptions & {
      /** Only servers of this service. */
      readonly service?: string | undefined
      /** Only servers of pools of this name. */
      readonly pool?: string | undefined
      /** local: only this instance, while the store is away or takes no changes; ends when the store takes changes again, or with DELETE /api/overrides. Default: "fleet". */
      readonly scope?: 'fleet' | 'local' | undefined
      /** A repetition with the same key, within a day and at any instance, is answered as the first one was. */
      readonly idempotencyKey?: string | undefined
    }
    readonly answer: ServersWritten
  }
  /** The same as disable. */
  'POST /api/servers/{server}/drain': {
    readonly names: readonly [server: string]
    readonly options: WriteOptions & {
      /** Only servers of this service. */
      readonly service?: string | undefined
      /** Only servers of pools of this name. */
      readonly pool?: string | undefined
      /** local: only this instance, while the store is away or takes no changes; ends when the store takes changes again, or with DELETE /api/overrides. Default: "fleet". */
      readonly scope?: 'fleet' | 'local' | undefined
      /** A repetition with the same key, within a day and at any instance, is answered as the first one was. */
      readonly idempotencyKey?: string | undefined
    }
    readonly answer: ServersWritten
  }
  /** Put a server back in. */
  'POST /api/servers/{server}/enable': {
    readonly names: readonly [server: string]
    readonly options: WriteOptions & {
      /** Only servers of this service. */
      readonly service?: string | undefined
      /** Only servers of pools of this name. */
      readonly pool?: string | undefined
      /** local: only this instance, while the store is away or takes no changes; ends when the store takes changes again, or with DELETE /api/overrides. Default: "fleet". */
      readonly scope?: 'fleet' | 'local' | undefined
      /** A repetition with the same key, within a day and at any instance, is answered as the first one was. */
      readonly idempotencyKey?: string | undefined
    }
    readonly answer: ServersWritten
  }
  /** The configuration in force, secrets left out. */
  'GET /api/config': {
    readonly names: readonly []
    readonly options: Record<never, never>
    readonly answer: Configuration
  }
  /** Read the configuration file again. */
  'POST /api/config/reload': {
    readonly names: readonly []
    readonly options: WriteOptions & {
      /** Bring back services that the file names and that were removed through the API. Default: false. */
      readonly restore?: boolean | undefined
      /** A repetition with the same key, within a day and at any instance, is answered as the first one was. */
      readonly idempotencyKey?: string | undefined
    }
    readonly answer: Reloaded
  }
  /** The certificates that the listeners of this instance have in force, and those that are ordered. */
  'GET /api/certificates': {
    readonly names: readonly []
    readonly options: Record<never, never>
    readonly answer: Certificates
  }
  /** Order certificates by ACME now, whatever failed before. */
  'POST /api/certificates/renew': {
    readonly names: readonly []
    readonly options: {
      /** A name of acme.domains of a listener of this instance; by default all of them. */
      readonly domain?: string | undefined
      /** Reason, for the log. Default: "". */
      readonly reason?: string | undefined
      /** A repetition with the same key, within a day and at any instance, is answered as the first one was. */
      readonly idempotencyKey?: string | undefined
    }
    readonly answer: CertificatesOrdered
  }
  /** Liveness. */
  'GET /healthz': {
    readonly names: readonly []
    readonly options: Record<never, never>
    readonly answer: Live
  }
  /** Overall health, with its parts. */
  'GET /health': {
    readonly names: readonly []
    readonly options: Record<never, never>
    readonly answer: Health
  }
  /** Readiness, for load balancers. */
  'GET /ready': {
    readonly names: readonly []
    readonly options: Record<never, never>
    readonly answer: Ready
  }
  /** The instances of the fleet, and what each has in force. */
  'GET /api/instances': {
    readonly names: readonly []
    readonly options: Record<never, never>
    readonly answer: Instances
  }
  /** One instance of the fleet, by id or name. */
  'GET /api/instances/{id}': {
    readonly names: readonly [id: string]
    readonly options: Record<never, never>
    readonly answer: Instance
  }
  /** Strike off an instance that is gone for good, by id or name: leftOut no longer names it. */
  'DELETE /api/instances/{id}': {
    readonly names: readonly [id: string]
    readonly options: {
      /** Reason, recorded in the history. Default: "". */
      readonly reason?: string | undefined
    }
    readonly answer: InstanceStruck
  }
  /** Overrides of this instance. */
  'GET /api/overrides': {
    readonly names: readonly []
    readonly options: Record<never, never>
    readonly answer: Overrides
  }
  /** Remove all overrides of this instance: it follows the store again. */
  'DELETE /api/overrides': {
    readonly names: readonly []
    readonly options: Record<never, never>
    readonly answer: Overrides
  }
  /** Replace the workers one by one, refusing no connection. */
  'POST /api/workers/restart': {
    readonly names: readonly []
    readonly options: {
      /** Answer when every worker is replaced; 504 after this time. Default: "0". */
      readonly wait?: string | undefined
      /** Reason, for the log. */
      readonly reason?: string | undefined
      /** A repetition with the same key, within a day and at any instance, is answered as the first one was. */
      readonly idempotencyKey?: string | undefined
    }
    readonly answer: WorkersRestarted
  }
  /** Name and role of the token that asks, and the instance that answers. */
  'GET /api/whoami': {
    readonly names: readonly []
    readonly options: Record<never, never>
    readonly answer: Caller
  }
  /** A link to the preview of a pool, for a browser; works once, within a minute. */
  'POST /api/services/{service}/pools/{pool}/preview': {
    readonly names: readonly [service: string, pool: string]
    readonly options: {
      /** Path and query to open. Default: "/". */
      readonly path?: string | undefined
      /** A repetition with the same key, within a day and at any instance, is answered as the first one was. */
      readonly idempotencyKey?: string | undefined
    }
    readonly answer: PreviewLink
  }
  /** Prometheus metrics. */
  'GET /metrics': {
    readonly names: readonly []
    readonly options: Record<never, never>
    readonly answer: string
  }
}

/** The options that each operation takes in its query. */
export const QUERIES: Readonly<Record<keyof Operations, readonly string[]>> = {
  'GET /api/services': [],
  'GET /api/services/{service}': [],
  'PUT /api/services/{service}': ['wait', 'force', 'reason'],
  'PATCH /api/services/{service}': ['wait', 'force', 'reason'],
  'DELETE /api/services/{service}': ['wait', 'force', 'reason'],
  'GET /api/services/{service}/definition': [],
  'GET /api/services/{service}/history': ['limit'],
  'PUT /api/services/{service}/pools/{pool}': ['wait', 'force', 'reason'],
  'DELETE /api/services/{service}/pools/{pool}': ['wait', 'force', 'reason'],
  'PUT /api/services/{service}/pools/{pool}/servers/{server}': ['wait', 'force', 'reason'],
  'DELETE /api/services/{service}/pools/{pool}/servers/{server}': ['wait', 'force', 'reason'],
  'GET /api/stats': ['window', 'service', 'scope', 'at'],
  'GET /api/services/{service}/series': ['window'],
  'POST /api/services/{service}/switch': ['wait', 'force', 'reason', 'scope'],
  'POST /api/services/{service}/shift': ['wait', 'force', 'reason'],
  'POST /api/services/{service}/rollback': ['wait', 'force', 'reason'],
  'POST /api/services/{service}/pause': ['wait', 'force', 'reason'],
  'POST /api/services/{service}/resume': ['wait', 'force', 'reason'],
  'POST /api/services/{service}/stop': ['wait', 'force', 'reason'],
  'POST /api/services/{service}/deploy': ['wait', 'force', 'reason'],
  'GET /api/services/{service}/rollouts': [],
  'POST /api/services/{service}/rollouts': ['wait', 'force', 'reason', 'dryRun'],
  'GET /api/services/{service}/rollouts/{id}': [],
  'POST /api/services/{service}/rollouts/{id}/pause': ['wait', 'force', 'reason'],
  'POST /api/services/{service}/rollouts/{id}/resume': ['wait', 'force', 'reason'],
  'POST /api/services/{service}/rollouts/{id}/skip': ['wait', 'force', 'reason'],
  'POST /api/services/{service}/rollouts/{id}/back': ['wait', 'force', 'reason'],
  'POST /api/services/{service}/rollouts/{id}/abort': ['wait', 'force', 'reason'],
  'POST /api/services/{service}/rollouts/{id}/retry': ['wait', 'force', 'reason'],
  'POST /api/services/{service}/rollouts/{id}/promote': ['wait', 'force', 'reason'],
  'POST /api/services/{service}/rollouts/{id}/setWeight': ['wait', 'force', 'reason'],
  'POST /api/services/{service}/rollouts/{id}/gates/{gate}/approve': ['wait', 'force', 'reason'],
  'POST /api/services/{service}/rollouts/{id}/gates/{gate}/reject': ['wait', 'force', 'reason'],
  'POST /api/services/{service}/freeze': ['wait', 'force', 'reason'],
  'POST /api/services/{service}/unfreeze': ['wait', 'force', 'reason'],
  'POST /api/services/{service}/rollouts/{id}/gates/{gate}/links': [],
  'GET /api/explain': ['host', 'method', 'path', 'header', 'cookie', 'ip'],
  'GET /api/services/{service}/explain': ['host', 'method', 'path', 'header', 'cookie', 'ip'],
  'GET /api/servers': ['service', 'pool'],
  'GET /api/servers/{server}': ['service', 'pool'],
  'PATCH /api/servers/{server}': ['service', 'pool', 'wait', 'force', 'reason'],
  'POST /api/servers/{server}/disable': ['service', 'pool', 'wait', 'force', 'reason', 'scope'],
  'POST /api/servers/{server}/drain': ['service', 'pool', 'wait', 'force', 'reason', 'scope'],
  'POST /api/servers/{server}/enable': ['service', 'pool', 'wait', 'force', 'reason', 'scope'],
  'GET /api/config': [],
  'POST /api/config/reload': ['wait', 'force', 'reason'],
  'GET /api/certificates': [],
  'POST /api/certificates/renew': [],
  'GET /healthz': [],
  'GET /health': [],
  'GET /ready': [],
  'GET /api/instances': [],
  'GET /api/instances/{id}': [],
  'DELETE /api/instances/{id}': ['reason'],
  'GET /api/overrides': [],
  'DELETE /api/overrides': [],
  'POST /api/workers/restart': ['wait', 'reason'],
  'GET /api/whoami': [],
  'POST /api/services/{service}/pools/{pool}/preview': [],
  'GET /metrics': [],
}
