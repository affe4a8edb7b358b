import type { Logger } from 'pino'
import type { Control } from '../control/control.ts'
import type { Proxies, WorkerDeath } from '../control/proxies.ts'
import { addUp, sum } from '../control/proxies.ts'
import type { ProcessView } from '../model/fleet.ts'
import type { RequestLoad, Vitals } from '../model/messages.ts'
import { VitalsMeter } from '../telemetry/vitals.ts'
import type { ControlInit, Roster } from './ipc.ts'
import { WorkerLinks } from './worker-links.ts'

/**
 * The proxies in worker processes as seen by control: over their wires, and by the roster that the supervisor sends.
 */
export class RemoteProxies implements Proxies {
  readonly listeners: readonly string[]
  supervisor: Vitals | null = null
  onWorkerDied: (death: WorkerDeath) => void = () => undefined
  private roster: Roster
  private readonly log: Logger
  private readonly path: string
  private readonly askToReplace: () => void
  private control: Control | null = null
  private links: WorkerLinks | null = null
  private readonly vitals = new VitalsMeter()
  private readonly waiting: ((trouble: string | null) => void)[] = []

  constructor({ wire, roster, listeners }: ControlInit, log: Logger, askToReplace: () => void) {
    this.path = wire
    this.listeners = listeners
    this.roster = roster
    this.log = log
    this.askToReplace = askToReplace
  }

  async start(control: Control): Promise<void> {
    this.control = control
    this.follow(this.roster)
    this.links = new WorkerLinks(control, this.log)
    await this.links.open(this.path)
  }

  close(): void {
    this.links?.close()
  }

  /** Takes the latest roster of the supervisor. */
  follow(roster: Roster): void {
    const died = roster.restarts - this.roster.restarts
    this.roster = roster
    for (const death of died > 0 ? roster.deaths.slice(-died) : []) this.onWorkerDied(death)
    this.control?.expect(roster.workers.map(({ name }) => name))
  }

  get trouble(): string | null {
    return this.roster.trouble
  }

  get restarts(): number {
    return this.roster.restarts
  }

  /** Replaces all workers; resolves with the reason of a failure, or null. */
  replace(): Promise<string | null> {
    return new Promise((resolve) => {
      this.waiting.push(resolve)
      this.askToReplace()
    })
  }

  /** Takes the supervisor's answer to `replace`. */
  replaced(trouble: string | null): void {
    for (const resolve of this.waiting.splice(0)) resolve(trouble)
  }

  load(control: Control): RequestLoad {
    const reports = this.roster.workers.map(({ name }) => control.proxies.reportOf(name))
    return {
      inFlight: addUp(reports.map((report) => report?.inFlight)),
      queued: addUp(reports.map((report) => report?.queued)),
      held: addUp(reports.map((report) => report?.held)),
    }
  }

  processes(control: Control): readonly ProcessView[] {
    const nothing = { appliedRevision: control.state.revision, inFlight: 0, connections: 0 }
    const supervisor: ProcessView[] =
      this.supervisor === null ? [] : [{ role: 'supervisor', ...this.supervisor, ...nothing }]
    const workers = this.roster.workers.map(({ name, pid, isHung }): ProcessView => {
      const report = control.proxies.reportOf(name)
      const vitals = control.proxies.vitalsOf(name) ?? { cpuPercent: 0, memoryBytes: 0, eventLoopDelayMs: 0 }
      return {
        role: 'worker',
        ...vitals,
        pid,
        appliedRevision: control.appliedBy(name),
        inFlight: sum(report?.inFlight),
        connections: report?.connections ?? 0,
        ...(isHung ? { hung: true } : {}),
      }
    })
    return [...supervisor, { role: 'control', ...this.vitals.read(), ...nothing }, ...workers]
  }
}
