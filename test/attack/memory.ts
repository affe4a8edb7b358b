import { processesOf, type Role, residentBytes } from '../support/processes.ts'

/** What one process of the proxy takes, MB. */
export interface Memory {
  readonly pid: number
  readonly role: Role
  readonly beforeMb: number
  readonly peakMb: number
  readonly afterMb: number
}

const LOOK_MS = 100

/** Watches what the processes of an instance take from when it is made. */
export class MemoryWatch {
  readonly #processes: readonly { readonly pid: number; readonly role: Role; readonly before: number; peak: number }[]
  readonly #timer: NodeJS.Timeout

  constructor(pid: number) {
    this.#processes = processesOf(pid).map((each) => {
      const before = residentBytes(each.pid)
      return { ...each, before, peak: before }
    })
    this.#timer = setInterval(() => {
      for (const each of this.#processes) each.peak = Math.max(each.peak, residentBytes(each.pid))
    }, LOOK_MS)
  }

  /** Ends it. `afterMb` is 0 of a process that has gone. */
  end(): Memory[] {
    clearInterval(this.#timer)
    return this.#processes.map(({ pid, role, before, peak }) => ({
      pid,
      role,
      beforeMb: before / 1e6,
      peakMb: peak / 1e6,
      afterMb: residentBytes(pid) / 1e6,
    }))
  }
}
