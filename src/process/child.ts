import type { ChildProcess, SendHandle } from 'node:child_process'
import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { LongTimer } from '../time/long-timer.ts'
import type { FromChild, ToChild } from './ipc.ts'
import type { Handle } from './sockets.ts'

const ENTRIES = { control: './control-main.ts', worker: './worker-main.ts' }
/** The first descriptor behind standard input, output, error and the channel to the supervisor. */
export const FIRST_HANDED_FD = 4

const IGNORED_SIGNALS = fileURLToPath(new URL('./ignored-signals.ts', import.meta.url))

/** How much longer than it was given a child may take to end before it is killed. */
export const GRACE_MS = 5_000

/** Whether a process was ended by a signal that it ignores, which came before it could. */
export function wasSignalled(how: string): boolean {
  return ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGUSR1', 'SIGUSR2'].includes(how)
}

/** A process of this instance, as its supervisor has it. */
export class Child {
  readonly name: string
  /** When it began its work; monotonic ms. */
  startedAt = performance.now()
  /** Resolves when it has ended, with how. */
  readonly exited: Promise<string>
  hasExited = false
  private readonly process: ChildProcess

  /** `fds`: handed over as descriptors from `FIRST_HANDED_FD` on. `cache`: a folder of ours for compiled code. */
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
      // Configurations hold bytes.
      serialization: 'advanced',
      // The next one starts in half the time.
      env: { ...process.env, NODE_COMPILE_CACHE: cache },
    })
    this.process.on('message', (message) => listener(message as FromChild))
    this.exited = new Promise((resolve) => {
      const end = (how: string): void => {
        this.hasExited = true
        resolve(how)
      }
      this.process.once('exit', (code, signal) => {
        const how = signal ?? `exit code ${code}`
        // What it said last may still be on its way.
        if (this.process.connected) this.process.once('disconnect', () => end(how))
        else end(how)
      })
      this.process.on('error', (error) => {
        if (this.process.pid === undefined) end(error.message)
      })
    })
  }

  get pid(): number {
    return this.process.pid ?? -1
  }

  /** `handle`: a socket that goes with it; it stays open here as well. */
  send(message: ToChild, handle?: Handle): void {
    // One that has just died is not told.
    if (this.process.connected) this.process.send(message, handle as SendHandle | undefined, () => undefined)
  }

  kill(): void {
    this.process.kill('SIGKILL')
  }
}

/** Kills a child that has not ended after so long; null = waits for ever. */
export async function endsWithin(child: Child, mostMs: number | null): Promise<void> {
  const timer = mostMs === null ? undefined : new LongTimer(mostMs, () => child.kill())
  await child.exited
  timer?.cancel()
}
