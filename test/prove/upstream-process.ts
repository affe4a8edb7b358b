import { type ChildProcess, fork } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { fileURLToPath } from 'node:url'

const FILE = fileURLToPath(new URL('upstreams.ts', import.meta.url))

export const POOLS = ['blue', 'green'] as const
export type PoolName = (typeof POOLS)[number]

export interface ToUpstreams {
  /** `open`: listen, as before. `close`: stop listening and break every connection, now. */
  readonly type: 'open' | 'close'
  readonly pool: PoolName
  /** Of `close`: when the pool was said to be drained, as `monotonicMs` has it. */
  readonly drainedAt: number
}

export type FromUpstreams =
  | { readonly type: 'listening'; readonly pool: PoolName; readonly ports: Readonly<Record<string, number>> }
  /** Every server of the pool has answered a health check since it was opened. */
  | { readonly type: 'probed'; readonly pool: PoolName }
  /** Requests that came after `drainedAt`, and requests that were still under way. */
  | { readonly type: 'closed'; readonly pool: PoolName; readonly late: number; readonly underWay: number }

/** The process of the servers, as seen by the one that runs the proof. */
export class UpstreamProcess {
  private readonly child: ChildProcess
  private readonly messages = new EventEmitter()

  constructor() {
    this.child = fork(FILE, [], { execArgv: [] })
    this.child.on('message', (message: FromUpstreams) => this.messages.emit(`${message.type} ${message.pool}`, message))
    this.child.on('exit', (code, signal) =>
      this.messages.emit('error', new Error(`the servers ended by themselves (${signal ?? code})`)),
    )
  }

  /** Has a pool listen; resolves with the port of each of its servers. */
  async listen(pool: PoolName): Promise<Readonly<Record<string, number>>> {
    const listening = this.next('listening', pool)
    this.tell({ type: 'open', pool, drainedAt: 0 })
    return (await listening).ports
  }

  /** Has a pool listen; resolves once all of its servers have answered a health check. */
  async open(pool: PoolName): Promise<void> {
    const probed = this.next('probed', pool)
    this.tell({ type: 'open', pool, drainedAt: 0 })
    await probed
  }

  /** Stops a pool at once. Resolves with the requests that it should not have had, having been said to be drained. */
  async close(pool: PoolName, drainedAt: number): Promise<{ late: number; underWay: number }> {
    const closed = this.next('closed', pool)
    this.tell({ type: 'close', pool, drainedAt })
    return closed
  }

  async stop(): Promise<void> {
    this.child.removeAllListeners('exit')
    if (!this.child.connected) return
    const exited = once(this.child, 'exit')
    this.child.disconnect()
    await exited
  }

  private tell(message: ToUpstreams): void {
    this.child.send(message)
  }

  private async next<T extends FromUpstreams['type']>(
    type: T,
    pool: PoolName,
  ): Promise<Extract<FromUpstreams, { type: T }>> {
    const [message] = await once(this.messages, `${type} ${pool}`)
    return message as Extract<FromUpstreams, { type: T }>
  }
}
