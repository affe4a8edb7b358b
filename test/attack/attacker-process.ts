import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Target } from './crowd.ts'

export type ToAttacker =
  | { readonly type: 'begin'; readonly name: string; readonly target: Target }
  | { readonly type: 'end' }

export type FromAttacker =
  | { readonly type: 'ready' }
  | { readonly type: 'ended'; readonly counts: Readonly<Record<string, number>> }

/** The process of the attackers, as seen by the one that watches. */
export class AttackerProcess {
  readonly #child: ChildProcess

  private constructor(child: ChildProcess) {
    this.#child = child
  }

  static async start(): Promise<AttackerProcess> {
    const child = fork(fileURLToPath(new URL('attacker.ts', import.meta.url)), [], { execArgv: [] })
    await once(child, 'message')
    return new AttackerProcess(child)
  }

  begin(name: string, target: Target): void {
    this.#tell({ type: 'begin', name, target })
  }

  /** Resolves, with what has happened, when no connection of the attack is left. */
  async end(): Promise<Readonly<Record<string, number>>> {
    const ended = once(this.#child, 'message') as Promise<[FromAttacker]>
    this.#tell({ type: 'end' })
    const [message] = await ended
    return message.type === 'ended' ? message.counts : {}
  }

  async stop(): Promise<void> {
    if (!this.#child.connected) return
    const exited = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await exited
  }

  #tell(message: ToAttacker): void {
    this.#child.send(message)
  }
}
