import type { ChildProcess, SendHandle } from 'node:child_process'
import { fork } from 'node:child_process'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Handle } from '../net/held-socket.ts'
import { LongTimer } from '../time/long-timer.ts'
import type { FromChild, ToChild } from './ipc.ts'

/** .ts in a checkout, .js in the package. */
const EXTENSION = extname(import.meta.filename)
const ENTRIES = { control: `./control-main${EXTENSION}`, worker: `./worker-main${EXTENSION}` }
/** Number of the first descriptor after standard input, output, error and the channel to the supervisor. */
export const FIRST_HANDED_FD = 4

const IGNORED_SIGNALS = fileURLToPath(new URL(`./ignored-signals${EXTENSION}`, import.meta.url))

/** Time that a child may take to end beyond the timeout it was given; after that it is killed. */
export const GRACE_MS = 5_000

/**
 * Whether a process was ended by a signal that children ignore: the signal arrived before the child had set that up.
 */
export function wasSignalled(how: string): boolean {
  return ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGUSR1', 'SIGUSR2'].includes(how)
}

/** A child process of this instance, as seen by its supervisor. */
export class Child {
  readonly name: string
  /** When the process began its work; monotonic ms. */
  startedAt = performance.now()
  /** Resolves when the process has ended, with its signal, its exit code or the error that kept it from starting. */
  readonly exited: Promise<string>
  hasExited = false
  private readonly process: ChildProcess

  /**
   * Starts the process. `fds`: handed over as descriptors from `FIRST_HANDED_FD` on. `cache`: folder for compiled code,
   * owned by this instance.
   */
  constructor(
    role: keyof typeof ENTRIES,
    name: string,
    fds: readonly number[],
    cache: string,
    listener: (message: FromChild) => void,
  ) {
    this.name = name
    this.process = fork(fileURLToPath(new URL(ENTRIES[role], import.meta.url)), [], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc', ...fds],
      execArgv: [...process.execArgv, '--disable-sigusr1', '--import', IGNORED_SIGNALS],
      // Configurations contain byte arrays, which JSON cannot carry.
      serialization: 'advanced',
      // With compiled code in the cache, the next process starts in half the time.
      env: { ...process.env, NODE_COMPILE_CACHE: cache },
    })
    this.process.on('message', (message) => listener(message as FromChild))
    this.exited = new Promise((resolve) => {
      const markExited = (how: string): void => {
        this.hasExited = true
        resolve(how)
      }
      this.process.once('exit', (code, signal) => {
        const how = signal ?? `exit code ${code}`
        // The last messages of the process may still be in the channel.
        if (this.process.connected) this.process.once('disconnect', () => markExited(how))
        else markExited(how)
      })
      this.process.on('error', (error) => {
        if (this.process.pid === undefined) markExited(error.message)
      })
    })
  }

  get pid(): number {
    return this.process.pid ?? -1
  }

  /**
   * Sends a message; a process that has just ended does not get it. `handle`: a socket to pass along; it stays open
   * here.
   */
  send(message: ToChild, handle?: Handle): void {
    if (this.process.connected) this.process.send(message, handle as SendHandle | undefined, () => undefined)
  }

  kill(): void {
    this.process.kill('SIGKILL')
  }
}

/** Waits until a child has ended, and kills it after `maxMs`; null = waits without a limit. */
export async function waitForExit(child: Child, maxMs: number | null): Promise<void> {
  const timer = maxMs === null ? undefined : new LongTimer(maxMs, () => child.kill())
  await child.exited
  timer?.cancel()
}
