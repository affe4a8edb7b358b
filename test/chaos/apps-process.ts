import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/** A request as the server had it. Times are of `monotonicMs`. */
export interface Served {
  /** As `fullName` has it. */
  readonly server: string
  readonly id: string
  /** The instance that it was sent through. */
  readonly via: string
  /** When its head was there. */
  readonly at: number
  /** When its answer was about to be sent; null where none was. */
  readonly until: number | null
}

export type ToApps = 'report'
export type FromApps =
  | { readonly type: 'listening'; readonly ports: Readonly<Record<string, number>> }
  | { readonly type: 'served'; readonly records: readonly Served[] }

/** The process of the servers, as seen by the one that disturbs the fleet. */
export class AppsProcess {
  /** By the full names of the servers. */
  readonly ports: Readonly<Record<string, number>>
  readonly #child: ChildProcess

  private constructor(child: ChildProcess, ports: Readonly<Record<string, number>>) {
    this.#child = child
    this.ports = ports
  }

  static async start(): Promise<AppsProcess> {
    const file = fileURLToPath(new URL('apps.ts', import.meta.url))
    const child = fork(file, [], { execArgv: [], serialization: 'advanced' })
    const message = await next(child, 'listening')
    return new AppsProcess(child, message.ports)
  }

  /** Every request that has come so far, health checks left out. */
  async served(): Promise<readonly Served[]> {
    const served = next(this.#child, 'served')
    this.#child.send('report' satisfies ToApps)
    return (await served).records
  }

  async stop(): Promise<void> {
    if (!this.#child.connected) return
    const exited = once(this.#child, 'exit')
    this.#child.disconnect()
    await exited
  }
}

async function next<T extends FromApps['type']>(child: ChildProcess, type: T): Promise<Extract<FromApps, { type: T }>> {
  for (;;) {
    const [message] = (await once(child, 'message')) as [FromApps]
    if (message.type === type) return message as Extract<FromApps, { type: T }>
  }
}
