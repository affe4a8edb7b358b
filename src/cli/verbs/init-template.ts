/** The configuration that `cutover init` writes. `schema`: where editors find its schema. */
export function initTemplate(schema: string): string {
  return `# yaml-language-server: $schema=${schema}
# The configuration of Cutover. Check it with: cutover check FILE   Run it with: cutover run --config FILE
# Keys that are commented out have the values that they have without it, unless the comment says otherwise.

proxy:
  listen: 127.0.0.1:8080          # where clients connect; 0.0.0.0:80 = every address of this machine
  # workers: auto                 # processes that forward requests: one per core
  # trustedProxies: [10.0.0.0/8]  # load balancers in front, whose X-Forwarded-* are believed; none by default
  # accessLog: { format: json, file: "" }   # or combined, or off; without a file it goes to standard output

admin:
  listen: 127.0.0.1:9900          # the admin API, which the command line talks to
  # To listen on more than this machine, tokens are required. The command line takes one from CUTOVER_TOKEN.
  # tokens:
  #   - { name: ann, role: admin, token: "\${ANNS_TOKEN}" }    # roles: read, operate, admin

store:
  path: ./data                    # what people have decided: splits, drains, rollouts; it survives restarts
  # redis: redis://127.0.0.1:6379 # instances with the same Redis and prefix are one fleet

services:
  app:
    # hosts: [app.example.com]    # any host by default
    # paths: [/]                  # the longest path decides between services
    pools:                        # a pool is a version of the app: its servers
      blue:
        version: "1.0.0"
        servers:
          blue1: http://127.0.0.1:9001
          blue2: http://127.0.0.1:9002
      green:
        version: "1.1.0"
        servers:
          green1: http://127.0.0.1:9003
          green2: http://127.0.0.1:9004
    split: { blue: 100 }          # percent of the requests at the first start; later: cutover switch, shift, rollout
    health: { path: /healthz, interval: 1s }   # default path: /
    # splitBy: request            # cookie, ip or header:NAME keep a client in its pool
    # sticky: { cookie: app_server, ttl: 1d }  # keep a client at one server; off by default
    # balance: leastRequest       # or roundRobin, or hash:ip
    # retry: { attempts: 2, on: [connect, reset] }
    # timeouts: { connect: 2s, response: 60s, idle: 60s }
    # drain: { timeout: 30s }     # then what is left at a drained server is cut
    # minReady: 1                 # an operation that would leave fewer servers is refused, unless forced
    # rollout: { strategy: canary }   # for: cutover rollout start app
`
}
