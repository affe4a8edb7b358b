import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import net from 'node:net'
import { fileURLToPath } from 'node:url'

/** What the server has seen: a text per accepted connection with all that came over it. */
export type Seen = readonly string[]

/**
 * A server that is stopped (SIGSTOP) while its accept queue is full: the kernel drops what else wants to connect, so that
 * a connect neither succeeds nor fails. The real thing, where a mock would be easier.
 */
export class FullBacklog {
  readonly port: number
  private readonly child: ChildProcess
  private readonly fillers: readonly net.Socket[]

  private constructor(port: number, child: ChildProcess, fillers: readonly net.Socket[]) {
    this.port = port
    this.child = child
    this.fillers = fillers
  }

  static async start(host = '127.0.0.1'): Promise<FullBacklog> {
    const child = fork(fileURLToPath(import.meta.url), ['serve', host])
    const [port] = (await once(child, 'message')) as [number]
    child.kill('SIGSTOP')
    const fillers: net.Socket[] = []
    // A backlog of 1 takes two; the first that does not come through shows that it is full.
    for (;;) {
      const filler = net.connect(port, host).on('error', () => undefined)
      fillers.push(filler)
      const connected = await Promise.race([
        once(filler, 'connect').then(() => true),
        new Promise<false>((resolve) => setTimeout(resolve, 200, false)),
      ])
      if (!connected) return new FullBacklog(port, child, fillers)
    }
  }

  /** Lets the server go on, and resolves with what it has seen: `count` connections beside our own, and `text` on one. */
  async resume(count: number, text: string): Promise<Seen> {
    this.child.kill('SIGCONT')
    for (;;) {
      this.child.send('seen?')
      const [seen] = (await once(this.child, 'message')) as [Seen]
      if (seen.length >= this.fillers.length + count && seen.join('').includes(text)) return seen
    }
  }

  close(): void {
    this.child.kill('SIGKILL')
    for (const filler of this.fillers) filler.destroy()
  }
}

if (process.argv[2] === 'serve') {
  const seen: string[] = []
  const server = net.createServer((socket) => {
    const at = seen.push('') - 1
    socket.on('error', () => undefined)
    socket.on('data', (chunk) => {
      seen[at] += String(chunk)
    })
  })
  server.listen({ port: 0, host: process.argv[3] ?? '127.0.0.1', backlog: 1 }, () =>
    process.send?.((server.address() as net.AddressInfo).port),
  )
  process.on('message', () => process.send?.(seen))
}
