import { RedisServer, until } from './redis.ts'

const PRIMARIES = 3
const SLOTS = 16_384
const ARGS = ['--cluster-enabled', 'yes', '--cluster-node-timeout', '1000', '--repl-diskless-sync-delay', '0']

/** A real cluster of three primaries. */
export class RedisCluster {
  /** The three first primaries, then a replica of each in the same order if there are any. */
  readonly nodes: readonly RedisServer[]

  private constructor(nodes: readonly RedisServer[]) {
    this.nodes = nodes
  }

  /** Starts a cluster, and waits until every node calls it whole and every replica is in sync. */
  static async start({ replicas = 0 }: { readonly replicas?: 0 | 1 } = {}): Promise<RedisCluster> {
    const cluster = new RedisCluster(await RedisServer.startMany(PRIMARIES * (1 + replicas), { args: ARGS }))
    try {
      await cluster.#form()
      return cluster
    } catch (error) {
      await cluster.stop()
      throw error
    }
  }

  /** `127.0.0.1:PORT` of each. */
  get addresses(): readonly string[] {
    return this.nodes.map(({ port }) => `127.0.0.1:${port}`)
  }

  /** The node that owns the slot of a key, as the first running node sees it. */
  async ownerOf(key: string): Promise<RedisServer> {
    const asked = this.nodes.find((node) => node.running)
    if (asked === undefined) throw new Error('no node runs')
    const slot = Number(await asked.cli('cluster', 'keyslot', key))
    for (const line of (await asked.cli('cluster', 'nodes')).split('\n')) {
      const [, address = '', , , , , , , ...ranges] = line.trim().split(' ')
      const port = Number(/:(\d+)@/.exec(address)?.[1])
      const owner = this.nodes.find((node) => node.port === port)
      if (owner !== undefined && ranges.some((range) => includes(range, slot))) return owner
    }
    throw new Error(`nobody owns slot ${slot}`)
  }

  /** Ends all of it, whatever its state. */
  async stop(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.stop()))
  }

  async #form(): Promise<void> {
    const primaries = this.nodes.slice(0, PRIMARIES)
    const replicas = this.nodes.slice(PRIMARIES)
    const bound = (index: number) => Math.floor((index * SLOTS) / PRIMARIES)
    for (const [index, node] of primaries.entries()) {
      await node.cli('cluster', 'addslotsrange', String(bound(index)), String(bound(index + 1) - 1))
      // With different epochs from the start the nodes have no conflict to settle between them.
      await node.cli('cluster', 'set-config-epoch', String(index + 1))
    }
    const [first, ...others] = this.nodes as [RedisServer, ...RedisServer[]]
    for (const { port } of others) await first.cli('cluster', 'meet', '127.0.0.1', String(port))
    await this.#every('acquainted nodes', async (node) => {
      const lines = (await node.cli('cluster', 'nodes')).split('\n')
      return lines.length === this.nodes.length && !lines.some((line) => /handshake|fail|noaddr/.test(line))
    })
    for (const [index, replica] of replicas.entries()) {
      const id = await (primaries[index] as RedisServer).cli('cluster', 'myid')
      await replica.cli('cluster', 'replicate', id)
    }
    await this.#every('whole cluster', async (node) => {
      const isWhole = (await node.info('cluster_state', ['cluster', 'info'])) === 'ok'
      const roles = (await node.cli('cluster', 'nodes')).match(/\bslave\b/g)?.length ?? 0
      const link = await node.info('master_link_status')
      return isWhole && roles === replicas.length && (link === '' || link === 'up')
    })
  }

  async #every(what: string, check: (node: RedisServer) => Promise<boolean>): Promise<void> {
    await until(what, async () => (await Promise.all(this.nodes.map(check))).every((isSo) => isSo))
  }
}

/** A range of slots as in CLUSTER NODES: `0-5460`, or `7`, or `[93-<-…]` for one that is on its way. */
function includes(range: string, slot: number): boolean {
  if (range.startsWith('[')) return false
  const [from, to = from] = range.split('-').map(Number)
  return from !== undefined && to !== undefined && from <= slot && slot <= to
}
