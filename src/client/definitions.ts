// Written by `npm run client`; do not edit.

/** One upstream address: the address alone, or {url, weight, backup, tls, proxyProtocol}. */
export type ServerDefinition =
  | string
  | {
      /** Where the server listens: http://, https://, h2c:// (HTTP/2) or h2:// (HTTP/2 with TLS), host and port; no path, no credentials. Or unix: and the path of a socket file; or srv:// (srv+https://) and the name of SRV records, each of which is a server. */
      readonly url: string
      /** Share relative to the other servers of the pool; 0 = no requests. Default: 1. */
      readonly weight?: number | undefined
      /** Gets requests only while no other server of the pool is up. Default: false. */
      readonly backup?: boolean | undefined
      /** TLS to an https:// or h2:// server. */
      readonly tls?:
        | {
            /** Name in SNI and in the server's certificate; by default the host of its url. Default: "". */
            readonly serverName?: string | undefined
            /** PEM file with the authorities to trust instead of the default ones. Default: "". */
            readonly ca?: string | undefined
            /** PEM file with the client certificate for the server. Default: "". */
            readonly cert?: string | undefined
            /** PEM file with the key of the client certificate. Default: "". */
            readonly key?: string | undefined
            /** Accept any certificate. Default: false. */
            readonly insecure?: boolean | undefined
          }
        | undefined
      /** Begin each connection with a PROXY header of this version, which tells the server the address of the client. */
      readonly proxyProtocol?: 'v1' | 'v2' | undefined
    }

/** Servers that run one version of the app. */
export interface PoolDefinition {
  /** Version of the app; by default the name of the pool. */
  readonly version?: string | undefined
  /** The servers of this pool, by name. Default: {}. */
  readonly servers?:
    | {
        readonly [name: string]: ServerDefinition
      }
    | undefined
}

/** A service, which clients reach by its hosts and paths: pools, a split and policies. */
export interface ServiceDefinition {
  /** Host names of this service, including *.example.com; none = any host. Default: []. */
  readonly hosts?: ReadonlyArray<string> | undefined
  /** Path prefixes; the longest one wins, on / boundaries. Default: ["/"]. */
  readonly paths?: ReadonlyArray<string> | undefined
  /** Whether servers get the path without that prefix. Default: false. */
  readonly stripPrefix?: boolean | undefined
  /** The pools, by name, one per version of the app. At least one. */
  readonly pools: {
    readonly [name: string]: PoolDefinition
  }
  /** The first decision: percent of the requests per pool, summing to 100. Later decisions are in the store. Needed for a new service with several pools. */
  readonly split?:
    | {
        readonly [name: string]: number
      }
    | undefined
  /** What keeps a client in one pool while the split moves: request (nothing), cookie (one that Cutover issues), ip, header:NAME or cookie:NAME. Default: "request". */
  readonly splitBy?: 'request' | 'cookie' | 'ip' | string | undefined
  /** Choice of a server in the pool: leastRequest (the less busy of two random ones), roundRobin (smooth, by weight), or hash:ip, hash:path, hash:header:NAME, hash:cookie:NAME (requests with the same value go to the same server). Default: "leastRequest". */
  readonly balance?: 'leastRequest' | 'roundRobin' | string | undefined
  /** Keeps a client on one server by a cookie: {cookie, ttl}, or false. Default: false. */
  readonly sticky?:
    | false
    | {
        /** Name of the cookie that remembers the server. */
        readonly cookie: string
        /** How long a client keeps the cookie once it has it. Default: "1d". */
        readonly ttl?: string | 0 | undefined
      }
    | undefined
  /** Probes of the servers; off = all servers count as up. Default: {}. */
  readonly health?:
    | {
        /** Path of the probe, a GET request. Default: "/healthz". */
        readonly path?: string | undefined
        /** Time from one probe of a server to the next. Default: "1s". */
        readonly interval?: string | 0 | undefined
        /** Time after which a probe has failed. Default: "5s". */
        readonly timeout?: string | 0 | undefined
        /** Passes in a row that bring a server up. Default: 1. */
        readonly rise?: number | undefined
        /** Failures in a row that bring a server down. Default: 3. */
        readonly fall?: number | undefined
        /** Status codes that pass; or {status, header, json}, all of which must hold. Default: "200-299". */
        readonly expect?:
          | string
          | number
          | {
              /** Status codes that pass. Default: "200-299". */
              readonly status?: string | number | undefined
              /** Header fields of the answer. */
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
              /** Values in the JSON of the answer, by JSON pointer (RFC 6901); at most 64 KiB are read. */
              readonly json?:
                | {
                    readonly [name: string]:
                      | string
                      | number
                      | boolean
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
            }
          | undefined
        /** Host header of the probe; empty = the server's own address. Default: "". */
        readonly host?: string | undefined
        /** Port to probe; 0 = the server's own. Default: 0. */
        readonly port?: number | undefined
        /** Header fields of the probe. Default: {}. */
        readonly headers?:
          | {
              readonly [name: string]: string
            }
          | undefined
        /** Text that the body of the answer must contain; empty = any. Default: "". */
        readonly body?: string | undefined
        /** Probe by the health service of gRPC (grpc.health.v1.Health/Check): the name of the service to ask for; "" = the whole server. */
        readonly grpc?: string | undefined
        /** Probe by a connection alone: the server is up if it accepts it. */
        readonly tcp?: boolean | undefined
        /** Probe by a TLS handshake alone, with the tls settings of the server. */
        readonly tls?: boolean | undefined
      }
    | 'off'
    | false
    | undefined
  /** Ejects servers by the outcomes of requests: connect errors, timeouts, resets, statuses 500-599. Default: {}. */
  readonly passive?:
    | {
        /** Failed requests in a row, within failTimeout, that eject a server; 0 = off. Default: 3. */
        readonly maxFails?: number | undefined
        /** Period over which failures are counted, and duration of an ejection, after which one request tries the server. Default: "30s". */
        readonly failTimeout?: string | 0 | undefined
        /** Max share of a pool that is ejected; never its last server. Default: "50%". */
        readonly maxEjected?: string | 0 | undefined
      }
    | undefined
  /** While a smaller share of a pool is up, requests also go to its servers that are down; 0 = off. Default: 0. */
  readonly panic?: string | 0 | undefined
  /** Conditions under which a request is tried on another server. Default: {}. */
  readonly retry?:
    | {
        /** Max tries, including the first; 1 = no retries. Default: 2. */
        readonly attempts?: number | undefined
        /** connect = no connection was established. Only before the first byte of the answer, and only for methods: reset = the connection broke, timeout = timeouts.response has passed, invalid = the answer was not HTTP. Default: ["connect","reset"]. */
        readonly on?: ReadonlyArray<'connect' | 'reset' | 'timeout' | 'invalid'> | undefined
        /** Statuses after which another server is tried, only for methods. Default: []. */
        readonly statuses?: ReadonlyArray<number> | undefined
        /** Methods that may be sent again after a part was sent: idempotent, or a list. Default: "idempotent". */
        readonly methods?: 'idempotent' | ReadonlyArray<string> | undefined
        /** Retries of what was sent are at most this share of the requests, beside a reserve of 10 for each worker. 0 = none. Default: "20%". */
        readonly budget?: string | 0 | undefined
        /** Max size of bodies that are kept for a retry, only for methods; 0 = none. Default: "64kb". */
        readonly bodyBytes?: string | number | undefined
      }
    | undefined
  /** Time limits for the servers. Default: {}. */
  readonly timeouts?:
    | {
        /** Max time to connect to the server; 0 = no limit. Default: "2s". */
        readonly connect?: string | 0 | undefined
        /** Max time until the head of the response; 0 = no limit. Default: "60s". */
        readonly response?: string | 0 | undefined
        /** Max time between two pieces of the response; 0 = no limit. Default: "60s". */
        readonly idle?: string | 0 | undefined
        /** Max time that a request is queued when perServer is reached; 0 = it is answered 503 at once. Default: 0. */
        readonly queue?: string | 0 | undefined
        /** Max time that a new definition waits for its servers, while the previous one serves the requests; 0 = it takes over at once. Default: "30s". */
        readonly handover?: string | 0 | undefined
      }
    | undefined
  /** Connections to the servers. Default: {}. */
  readonly connections?:
    | {
        /** Max requests in flight at one server; 0 = no limit. Default: 0. */
        readonly perServer?: number | undefined
        /** Max time that an idle connection is kept. Default: "4s". */
        readonly keepAlive?: string | 0 | undefined
      }
    | undefined
  /** Time over which the weight of a server that comes up grows from 10 %; 0 = full weight at once. Default: "0s". */
  readonly slowStart?: string | 0 | undefined
  /** Lookups of the names of servers. Default: {}. */
  readonly dns?:
    | {
        /** Whether each address of a name is a server of its own, such as web@10.0.0.1, which comes and goes with DNS. Default: false. */
        readonly all?: boolean | undefined
        /** Max time from one lookup of a name to the next. With all, and for srv://, a shorter TTL counts, of at least 1s. Default: "30s". */
        readonly refresh?: string | 0 | undefined
      }
    | undefined
  /** Treatment of requests in flight at a server or pool that is drained. Default: {}. */
  readonly drain?:
    | {
        /** Time after which requests that are still in flight are cut; 0 = never. Default: "30s". */
        readonly timeout?: string | 0 | undefined
        /** close = WebSockets get 1001 at the deadline; keep = they are never cut. Default: "close". */
        readonly websockets?: 'close' | 'keep' | undefined
      }
    | undefined
  /** Asked in order before the split; the first that matches decides. Default: []. */
  readonly routes?:
    | ReadonlyArray<{
        /** Name of this route in figures and explanations. */
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
        /** The pool that gets matching requests. */
        readonly to: string
        /** While that pool has no server up: split = the split decides; fail = 503. Default: "split". */
        readonly onUnavailable?: 'split' | 'fail' | undefined
      }>
    | undefined
  /** Sends copies of requests to another pool: {to, percent, methods, bodyBytes, inFlight}, or null. Default: null. */
  readonly mirror?:
    | {
        /** The pool that gets the copies; its answers are discarded. */
        readonly to: string
        /** Share of the requests that are copied. Default: 100. */
        readonly percent?: number | undefined
        /** Methods of the requests that are copied. The copies are executed: choose those that change nothing. Default: ["GET","HEAD"]. */
        readonly methods?: ReadonlyArray<string> | undefined
        /** Requests with larger bodies are not copied; 0 = only those without a body. Default: "1mb". */
        readonly bodyBytes?: string | number | undefined
        /** Max copies at a time in each worker; further ones are dropped. Default: 64. */
        readonly inFlight?: number | undefined
      }
    | null
    | undefined
  /** The default of this service for its rollouts. */
  readonly rollout?:
    | {
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
      }
    | undefined
  /** Header fields to set or remove. Default: {}. */
  readonly headers?:
    | {
        /** Changes to requests for the servers. Default: {}. */
        readonly request?:
          | {
              /** Fields to set, replacing existing ones. Default: {}. */
              readonly set?:
                | {
                    readonly [name: string]: string
                  }
                | undefined
              /** Fields to remove. Default: []. */
              readonly remove?: ReadonlyArray<string> | undefined
            }
          | undefined
        /** Changes to responses for the clients. Default: {}. */
        readonly response?:
          | {
              /** Fields to set, replacing existing ones. Default: {}. */
              readonly set?:
                | {
                    readonly [name: string]: string
                  }
                | undefined
              /** Fields to remove. Default: []. */
              readonly remove?: ReadonlyArray<string> | undefined
            }
          | undefined
      }
    | undefined
  /** Response field in which the app reports its version, such as X-App-Version; it is compared with the version of the pool. Empty = none. Default: "". */
  readonly versionHeader?: string | undefined
  /** Min ready servers: a command that would leave fewer is refused, unless forced. Default: 1. */
  readonly minReady?: number | undefined
}

/** Configuration of Cutover. */
export interface CutoverConfig {
  /** For editors. */
  readonly $schema?: string | undefined
  /** Version of the services, raised with every change: in a fleet, the file with the highest one is in force. */
  readonly configVersion?: number | undefined
  /** The data plane: listeners, and limits for clients. Default: {}. */
  readonly proxy?:
    | {
        /** Where clients connect: 127.0.0.1:8080, [::1]:8080, :8080 (every interface), unix:/path, or a list. Default: "127.0.0.1:8080". */
        readonly listen?:
          | string
          | {
              /** Host and port, or a path. */
              readonly address: string
              /** Permissions of a unix socket, in octal and in quotes. Default: 0600 for the admin API, by the umask for a proxy listener. */
              readonly mode?: string | undefined
              /** Every connection opens with a PROXY header (version 1 or 2), before TLS; only trustedProxies may connect. */
              readonly proxyProtocol?: boolean | undefined
              /** Clients may speak HTTP/2 without TLS, with prior knowledge: their first bytes tell. */
              readonly h2c?: boolean | undefined
              /** TLS: certificates, and what is asked of clients. */
              readonly tls?:
                | {
                    /** Certificates, chosen by the name that the client asks for: exact, then wildcard, then the first one. Default: []. */
                    readonly certificates?:
                      | ReadonlyArray<{
                          /** File with the certificate, and those of the authorities between it and the root. */
                          readonly cert: string
                          /** File with its private key, without a passphrase. */
                          readonly key: string
                        }>
                      | undefined
                    /** Certificates that are ordered from an ACME server, and renewed. */
                    readonly acme?:
                      | {
                          /** Address to which the ACME server writes when something is wrong. Setting it agrees to the terms of service of that server. */
                          readonly email: string
                          /** URL of the directory of the ACME server; default: that of Let’s Encrypt. Default: "https://acme-v02.api.letsencrypt.org/directory". */
                          readonly directory?: string | undefined
                          /** Host names, each of which gets a certificate of its own. */
                          readonly domains: ReadonlyArray<string>
                          /** How names are proven: http-01 is answered at plain listeners (port 80 from outside), tls-alpn-01 at listeners with TLS (port 443 from outside). Default: "http-01". */
                          readonly challenge?: 'http-01' | 'tls-alpn-01' | undefined
                          /** File with the authorities to trust at the ACME server instead of the default ones, in PEM. */
                          readonly ca?: string | undefined
                          /** Keys of the certificates: ECDSA on P-256, or RSA with 2048 bits. Default: "ecdsa". */
                          readonly keyType?: 'ecdsa' | 'rsa' | undefined
                          /** Profile of certificates to ask the server for; empty = its default. Default: "". */
                          readonly profile?: string | undefined
                        }
                      | undefined
                    /** Oldest version of TLS. Default: "1.2". */
                    readonly minVersion?: '1.2' | '1.3' | 1.2 | 1.3 | undefined
                    /** Asks clients for certificates. */
                    readonly clientAuth?:
                      | {
                          /** File with the authorities that sign the certificates of clients, in PEM. */
                          readonly ca: string
                          /** Whether a client without a certificate is refused; one with a wrong certificate always is. Default: true. */
                          readonly require?: boolean | undefined
                        }
                      | undefined
                    /** Protocols to negotiate, the preferred one first. Default: ["h2","http/1.1"]. */
                    readonly alpn?: ReadonlyArray<'h2' | 'http/1.1'> | undefined
                  }
                | undefined
              /** Redirects every request to https: true, or {port, status}. */
              readonly redirectToHttps?:
                | true
                | false
                | {
                    /** Port of the https address; 443 is left out of it. Default: 443. */
                    readonly port?: number | undefined
                    /** Status of the redirect. Default: 308. */
                    readonly status?: 301 | 302 | 307 | 308 | undefined
                  }
                | undefined
              /** HTTP/3 is not available: no. */
              readonly http3?: 'no' | 'off' | false | undefined
            }
          | ReadonlyArray<
              | string
              | {
                  /** Host and port, or a path. */
                  readonly address: string
                  /** Permissions of a unix socket, in octal and in quotes. Default: 0600 for the admin API, by the umask for a proxy listener. */
                  readonly mode?: string | undefined
                  /** Every connection opens with a PROXY header (version 1 or 2), before TLS; only trustedProxies may connect. */
                  readonly proxyProtocol?: boolean | undefined
                  /** Clients may speak HTTP/2 without TLS, with prior knowledge: their first bytes tell. */
                  readonly h2c?: boolean | undefined
                  /** TLS: certificates, and what is asked of clients. */
                  readonly tls?:
                    | {
                        /** Certificates, chosen by the name that the client asks for: exact, then wildcard, then the first one. Default: []. */
                        readonly certificates?:
                          | ReadonlyArray<{
                              /** File with the certificate, and those of the authorities between it and the root. */
                              readonly cert: string
                              /** File with its private key, without a passphrase. */
                              readonly key: string
                            }>
                          | undefined
                        /** Certificates that are ordered from an ACME server, and renewed. */
                        readonly acme?:
                          | {
                              /** Address to which the ACME server writes when something is wrong. Setting it agrees to the terms of service of that server. */
                              readonly email: string
                              /** URL of the directory of the ACME server; default: that of Let’s Encrypt. Default: "https://acme-v02.api.letsencrypt.org/directory". */
                              readonly directory?: string | undefined
                              /** Host names, each of which gets a certificate of its own. */
                              readonly domains: ReadonlyArray<string>
                              /** How names are proven: http-01 is answered at plain listeners (port 80 from outside), tls-alpn-01 at listeners with TLS (port 443 from outside). Default: "http-01". */
                              readonly challenge?: 'http-01' | 'tls-alpn-01' | undefined
                              /** File with the authorities to trust at the ACME server instead of the default ones, in PEM. */
                              readonly ca?: string | undefined
                              /** Keys of the certificates: ECDSA on P-256, or RSA with 2048 bits. Default: "ecdsa". */
                              readonly keyType?: 'ecdsa' | 'rsa' | undefined
                              /** Profile of certificates to ask the server for; empty = its default. Default: "". */
                              readonly profile?: string | undefined
                            }
                          | undefined
                        /** Oldest version of TLS. Default: "1.2". */
                        readonly minVersion?: '1.2' | '1.3' | 1.2 | 1.3 | undefined
                        /** Asks clients for certificates. */
                        readonly clientAuth?:
                          | {
                              /** File with the authorities that sign the certificates of clients, in PEM. */
                              readonly ca: string
                              /** Whether a client without a certificate is refused; one with a wrong certificate always is. Default: true. */
                              readonly require?: boolean | undefined
                            }
                          | undefined
                        /** Protocols to negotiate, the preferred one first. Default: ["h2","http/1.1"]. */
                        readonly alpn?: ReadonlyArray<'h2' | 'http/1.1'> | undefined
                      }
                    | undefined
                  /** Redirects every request to https: true, or {port, status}. */
                  readonly redirectToHttps?:
                    | true
                    | false
                    | {
                        /** Port of the https address; 443 is left out of it. Default: 443. */
                        readonly port?: number | undefined
                        /** Status of the redirect. Default: 308. */
                        readonly status?: 301 | 302 | 307 | 308 | undefined
                      }
                    | undefined
                  /** HTTP/3 is not available: no. */
                  readonly http3?: 'no' | 'off' | false | undefined
                }
            >
          | undefined
        /** Data-plane processes: auto = one per core; 0 = serve from the control process. Default: "auto". */
        readonly workers?: 'auto' | number | undefined
        /** Networks, and unix for socket files, whose X-Forwarded-* and X-Request-Id are believed. Default: []. */
        readonly trustedProxies?: ReadonlyArray<string> | undefined
        /** Limits for clients; 0 = no limit. Default: {}. */
        readonly limits?:
          | {
              /** Max size of the head of a request; 0 = no limit. Default: "16kb". */
              readonly headerBytes?: string | number | undefined
              /** Max length of the request target; 0 = no limit. Default: "8kb". */
              readonly urlBytes?: string | number | undefined
              /** Max size of the body of a request; 0 = no limit. Default: 0. */
              readonly bodyBytes?: string | number | undefined
              /** Max connections of clients at once; 0 = no limit. Default: 0. */
              readonly connections?: number | undefined
              /** Max requests on one connection; 0 = no limit. Default: 0. */
              readonly requestsPerConnection?: number | undefined
              /** Max requests at once on one connection of HTTP/2. Default: 100. */
              readonly streams?: number | undefined
              /** Max requests held for paused services; 0 = no limit. Default: 10000. */
              readonly held?: number | undefined
            }
          | undefined
        /** Time limits for clients; 0 = no limit. Default: {}. */
        readonly timeouts?:
          | {
              /** Max time until the head of a request is complete; 0 = no limit. Default: "10s". */
              readonly header?: string | 0 | undefined
              /** Max time until the whole request is complete; 0 = no limit. Default: 0. */
              readonly request?: string | 0 | undefined
              /** Max time between two requests on a connection; 0 = no limit. Default: "75s". */
              readonly keepAlive?: string | 0 | undefined
              /** Max time between two pieces of a body; 0 = no limit. Default: "60s". */
              readonly idleBody?: string | 0 | undefined
              /** Max time that a WebSocket or other upgrade may be idle; 0 = no limit. Default: "1h". */
              readonly tunnel?: string | 0 | undefined
            }
          | undefined
        /** Header fields for servers, beside X-Forwarded-*. Default: {}. */
        readonly forwarding?:
          | {
              /** Send Forwarded (RFC 7239), too. A Forwarded of a trusted proxy is always continued. Default: false. */
              readonly forwarded?: boolean | undefined
              /** Share of the traces that begin here whose traceparent is marked as sampled: 1 = all, 0 = none. With tracing, its own sample decides. Default: 1. */
              readonly traceSample?: number | undefined
            }
          | undefined
        /** Module (.ts, .mts, .js, .mjs) with programs in the request path; empty = none. Default: "". */
        readonly hooks?: string | undefined
        /** Max time for the promise of a request hook. Default: "1s". */
        readonly hookTimeout?: string | 0 | undefined
        /** What becomes of a request whose hook fails: fail = 500; ignore = it goes on without that hook. Default: "fail". */
        readonly hookErrors?: 'fail' | 'ignore' | undefined
        /** A line for every request; or off. Default: {}. */
        readonly accessLog?:
          | {
              /** Format of a line: json; combined = that of Apache and nginx; logfmt = key=value. Default: "json". */
              readonly format?: 'json' | 'combined' | 'logfmt' | undefined
              /** Share of the requests that are logged: 1 = all, 0.1 = every tenth. Default: 1. */
              readonly sample?: number | undefined
              /** File that lines are appended to, opened again on SIGUSR1; empty = standard output. Default: "". */
              readonly file?: string | undefined
            }
          | 'off'
          | false
          | undefined
      }
    | undefined
  /** Shutdown of an instance. Default: {}. */
  readonly shutdown?:
    | {
        /** Time after SIGTERM during which new connections are accepted. Default: "0s". */
        readonly acceptFor?: string | 0 | undefined
        /** Max time that requests in progress may take after that; 0 = no limit. Default: "30s". */
        readonly timeout?: string | 0 | undefined
      }
    | undefined
  /** The admin API. Default: {}. */
  readonly admin?:
    | {
        /** Where the admin API listens. Default: "127.0.0.1:9900". */
        readonly listen?:
          | string
          | {
              /** Host and port, or a path. */
              readonly address: string
              /** Permissions of a unix socket, in octal and in quotes. Default: 0600 for the admin API, by the umask for a proxy listener. */
              readonly mode?: string | undefined
            }
          | undefined
        /** Names, beside addresses and localhost, by which the admin API may be called. Default: []. */
        readonly hosts?: ReadonlyArray<string> | undefined
        /** Tokens and their roles; without any, anyone who reaches the admin API may do everything, so it may only listen on loopback. Default: []. */
        readonly tokens?:
          | ReadonlyArray<{
              /** Owner of the token, as the history names it. */
              readonly name: string
              /** read = read only; operate = switch, shift, drain; admin = everything. */
              readonly role: 'read' | 'operate' | 'admin'
              /** The token itself, at least 8 characters; preferably from the environment. */
              readonly token?: string | undefined
              /** SHA-256 of the token in hex, with or without sha256: in front, instead of the token. */
              readonly tokenHash?: string | undefined
            }>
          | undefined
        /** Networks of proxies in front of the admin API whose X-Forwarded-Proto is believed, so that browsers may write through a proxy that ends TLS. Default: []. */
        readonly trustedProxies?: ReadonlyArray<string> | undefined
        /** Max connections at once; beyond that, the longest silent one of the address with the most is closed. 0 = no limit. Default: 256. */
        readonly connections?: number | undefined
        /** Address of an origin of its own for pages of previews: 127.0.0.1:9901; or off. Default: "off". */
        readonly preview?: string | 'off' | false | undefined
        /** Networks that may ask /ready. Default: ["127.0.0.0/8","::1/128"]. */
        readonly readyAllow?: ReadonlyArray<string> | undefined
      }
    | undefined
  /** Storage of the state. Default: {}. */
  readonly store?:
    | {
        /** redis:// or rediss://, {sentinels, name} or {cluster}; empty = the embedded store. Default: "". */
        readonly redis?:
          | string
          | {
              /** Each sentinel. */
              readonly sentinels: ReadonlyArray<string>
              /** Name of the primary at the sentinels. */
              readonly name: string
              /** User of Redis (ACL). */
              readonly username?: string | undefined
              /** Password of Redis; preferably from the environment. */
              readonly password?: string | undefined
              /** User of the sentinels (ACL). */
              readonly sentinelUsername?: string | undefined
              /** Password of the sentinels; preferably from the environment. */
              readonly sentinelPassword?: string | undefined
            }
          | {
              /** Some of its nodes. */
              readonly cluster: ReadonlyArray<string>
              /** User of Redis (ACL). */
              readonly username?: string | undefined
              /** Password of Redis; preferably from the environment. */
              readonly password?: string | undefined
            }
          | undefined
        /** TLS to Redis, also for sentinels and clusters; with rediss:// needed only for these files. */
        readonly tls?:
          | {
              /** PEM file with the authorities to trust instead of the default ones. */
              readonly ca?: string | undefined
              /** PEM file with the client certificate. */
              readonly cert?: string | undefined
              /** PEM file with the key of the client certificate. */
              readonly key?: string | undefined
            }
          | undefined
        /** Encrypts keys in the store, the same for the whole fleet; preferably from the environment. Empty = they are in plain text. Default: "". */
        readonly secret?: string | undefined
        /** Prefix of all keys, one per fleet. Default: "cutover". */
        readonly prefix?: string | undefined
        /** Folder of the embedded store, and of the last known state. Default: "./data". */
        readonly path?: string | undefined
      }
    | undefined
  /** This instance in its fleet. Default: {}. */
  readonly fleet?:
    | {
        /** Name of this instance in the fleet; by default the name of the machine. */
        readonly name?: string | undefined
        /** URL of the admin API for the other instances, such as http://10.0.0.1:9900; by default detected. */
        readonly address?: string | undefined
        /** Token by which an instance passes calls on to another; the same everywhere. */
        readonly token?: string | undefined
      }
    | undefined
  /** What is told of requests, beside metrics and the access log. Default: {}. */
  readonly telemetry?:
    | {
        /** OpenTelemetry spans of requests and of their tries. Default: {}. */
        readonly tracing?:
          | {
              /** URL that takes spans by OTLP over HTTP: http://127.0.0.1:4318/v1/traces; empty = no tracing. Default: "". */
              readonly endpoint?: string | undefined
              /** Share of the traces that begin here and are recorded: 1 = all, 0.01 = every hundredth. Default: 0.01. */
              readonly sample?: number | undefined
            }
          | undefined
      }
    | undefined
  /** Lookups of names, for all services. Default: {}. */
  readonly dns?:
    | {
        /** DNS servers for the names of services with dns.all, and for srv://; none = those of the system. Other names are looked up as the system does. Default: []. */
        readonly servers?: ReadonlyArray<string> | undefined
        /** Max time for one attempt at one DNS server; there are two. Default: "2s". */
        readonly timeout?: string | 0 | undefined
      }
    | undefined
  /** Receivers of events: each gets them in order, signed, and repeated until it has taken them. Default: []. */
  readonly webhooks?:
    | ReadonlyArray<{
        /** Where events are sent by POST: http:// or https://, without credentials. */
        readonly url: string
        /** Types of events to send, patterns such as rollout.* included; none = all. Default: []. */
        readonly types?: ReadonlyArray<string> | undefined
        /** Key of the signature (HMAC-SHA256), at least 16 characters; whsec_ and base64, or any text. */
        readonly secret: string
      }>
    | undefined
  /** The services, by name. Default: {}. */
  readonly services?:
    | {
        readonly [name: string]: ServiceDefinition
      }
    | undefined
}
