import type { SecureClientSessionOptions } from 'node:http2'
import { Client2 } from './http2.ts'

export interface Load2Options {
  readonly url: string
  readonly clients: number
  /** Requests in flight of each client. */
  readonly streams: number
  readonly paths: readonly string[]
  readonly session?: SecureClientSessionOptions
}

/** Clients that each keep several requests in flight, and open another connection once theirs gets a GOAWAY. */
export class Load2 {
  completed = 0
  readonly failures: string[] = []
  connections = 0
  private isStopping = false
  private readonly options: Load2Options
  private readonly done: Promise<unknown>

  constructor(options: Load2Options) {
    this.options = options
    this.done = Promise.all(Array.from({ length: options.clients }, () => this.client(options.streams)))
  }

  async more(count: number): Promise<void> {
    const goal = this.completed + count
    while (this.completed < goal) await new Promise((resolve) => setTimeout(resolve, 5))
  }

  async stop(): Promise<void> {
    this.isStopping = true
    await this.done
  }

  private async client(streams: number): Promise<void> {
    const { paths } = this.options
    let current = await this.connect()
    let reconnecting: Promise<void> | null = null
    const reconnect = async (): Promise<void> => {
      current = await this.connect()
      reconnecting = null
    }
    const one = async (i: number): Promise<void> => {
      while (!this.isStopping) {
        while (current.session.closed || current.session.destroyed) {
          reconnecting ??= reconnect()
          await reconnecting
        }
        const path = paths[i % paths.length] as string
        const isPost = i % 2 === 0
        const used = current
        const { status, reset, body } = await used.ask(
          { ':path': path, ':method': isPost ? 'POST' : 'GET' },
          isPost ? 'x'.repeat(1_000) : undefined,
        )
        // A stream that the client's own library could not open any more was never sent.
        if (status === 0 && used.session.closed) continue
        if (status === 200 && reset === 0 && body.length > 0) this.completed++
        else this.failures.push(`${path}: ${status} ${reset} ${body}`)
      }
    }
    await Promise.all(Array.from({ length: streams }, (_, i) => one(i)))
    current.close()
  }

  private connect(): Promise<Client2> {
    this.connections++
    return Client2.connect(this.options.url, this.options.session)
  }
}
