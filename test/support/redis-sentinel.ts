import { RedisServer, until } from './redis.ts'

const QUORUM = 2

/** A real primary with two replicas, watched by three sentinels. */
export class SentinelGroup {
  /** What the sentinels call it. */
  readonly name = 'cutover'
  /** Primary and replicas, the first primary first. One that has ended comes back as a replica by its restart(). */
  readonly servers: readonly RedisServer[]
  readonly sentinelServers: readonly RedisServer[]

  private constructor(servers: readonly RedisServer[], sentinelServers: readonly RedisServer[]) {
    this.servers = servers
    this.sentinelServers = sentinelServers
  }

  /** Starts a group, and waits until the replicas are in sync and the sentinels know all of it. */
  static async start(): Promise<SentinelGroup> {
    // Without a delay a replica gets its first copy at once, not after five seconds.
    const servers = await RedisServer.startMany(3, { args: ['--repl-diskless-sync-delay', '0'] })
    let group = new SentinelGroup(servers, [])
    try {
      group = new SentinelGroup(servers, await RedisServer.startMany(3, { args: ['--sentinel'] }))
      await group.#connect()
      return group
    } catch (error) {
      await group.stop()
      throw error
    }
  }

  /** `127.0.0.1:PORT` of each. */
  get sentinels(): readonly string[] {
    return this.sentinelServers.map(({ port }) => `127.0.0.1:${port}`)
  }

  /** The server that all running sentinels name as the primary. Rejects while they do not agree. */
  async primary(): Promise<RedisServer> {
    const asked = this.sentinelServers.filter((sentinel) => sentinel.running)
    const answers = await Promise.all(
      asked.map((sentinel) => sentinel.cli('sentinel', 'get-master-addr-by-name', this.name)),
    )
    const ports = new Set(answers.map((answer) => Number(answer.split(/\s+/)[1])))
    const server = this.servers.find(({ port }) => ports.has(port))
    if (server === undefined || ports.size > 1) throw new Error(`sentinels name as primary: ${[...ports].join(', ')}`)
    return server
  }

  /** Kills the primary, and resolves with the new one when all sentinels name it and it takes writes. */
  async failOver(): Promise<RedisServer> {
    const old = await this.primary()
    let current = old
    await old.kill()
    await until('new primary', async () => {
      current = await this.primary()
      return current !== old && (await current.info('role')) === 'master'
    })
    return current
  }

  /** Ends all of it, whatever its state. */
  async stop(): Promise<void> {
    await Promise.all([...this.servers, ...this.sentinelServers].map((server) => server.stop()))
  }

  async #connect(): Promise<void> {
    const [primary, ...replicas] = this.servers as [RedisServer, ...RedisServer[]]
    const port = String(primary.port)
    await Promise.all(replicas.map((replica) => replica.cli('replicaof', '127.0.0.1', port)))
    await until('replicas in sync', () => every(replicas, isInSync))
    // Only now: a sentinel asks the primary for its replicas when it starts to watch, and then every ten seconds.
    const watch = async (sentinel: RedisServer) => {
      await sentinel.cli('sentinel', 'monitor', this.name, '127.0.0.1', port, String(QUORUM))
      const limits = ['down-after-milliseconds', '1000', 'failover-timeout', '3000']
      await sentinel.cli('sentinel', 'set', this.name, ...limits)
    }
    await Promise.all(this.sentinelServers.map(watch))
    await until('sentinels that know each other', () =>
      every(this.sentinelServers, async (sentinel) => {
        const known = await sentinel.info('master0', ['info', 'sentinel'])
        return known.includes('status=ok') && known.includes('slaves=2,sentinels=3')
      }),
    )
  }
}

async function isInSync(replica: RedisServer): Promise<boolean> {
  return (await replica.info('master_link_status')) === 'up'
}

async function every(servers: readonly RedisServer[], check: (server: RedisServer) => Promise<boolean>) {
  return (await Promise.all(servers.map(check))).every((isSo) => isSo)
}
