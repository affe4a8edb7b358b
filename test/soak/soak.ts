import type { Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { Complaints } from './complaints.ts'
import { Disturber } from './disturber.ts'
import type { Result, Sample, Vitals } from './figures.ts'
import { hasComeBack } from './judge.ts'
import { Load } from './load.ts'
import { Operator } from './operator.ts'
import { resultOf } from './result.ts'
import { EXTRA_SERVER, urlOf } from './services.ts'
import { Stage } from './stage.ts'
import { Tally } from './tally.ts'
import { settled, vitals } from './vitals.ts'

export interface SoakOptions {
  readonly seconds: number
  /** Called now and then with a line that says how it goes. */
  readonly onProgress: (text: string) => void
  /** Ends it early: `soak` rejects then, and all it started has gone. */
  readonly signal: AbortSignal
}

const PROGRESS_MS = 10_000
const SETTLE_MS = 30_000
const EXIT_MS = 2_000

/** Puts mixed load on a Cutover process for so long. Rejects when it cannot be carried out. */
export async function soak(options: SoakOptions): Promise<Result> {
  const stage = new Stage()
  const run = new Run(stage, options)
  const opening = stage.open()
  try {
    await orInterrupted(opening, options.signal)
    return await orInterrupted(run.run(), options.signal)
  } finally {
    run.abandon()
    // What is just starting can only be ended once it has started.
    await opening.catch(() => undefined)
    await stage.close()
  }
}

class Run {
  private readonly stage: Stage
  private readonly options: SoakOptions
  private readonly tally = new Tally()
  private readonly samples: Sample[] = []
  private readonly warmUpSeconds: number
  private readonly streamMs: number
  private readonly startedAt = performance.now()
  private load: Load | null = null
  private operator: Operator | null = null
  private disturber: Disturber | null = null
  private watch: NodeJS.Timeout | undefined

  constructor(stage: Stage, options: SoakOptions) {
    this.stage = stage
    this.options = options
    this.warmUpSeconds = Math.min(20, Math.max(2, options.seconds / 10))
    this.streamMs = options.seconds < 60 ? 1_000 : 3_000
  }

  async run(): Promise<Result> {
    const { cutover, steady, rough, ledger, lost } = this.stage
    const operator = new Operator(cutover, urlOf(steady, EXTRA_SERVER), (count) => this.tally.more(count))
    const disturber = new Disturber(rough, ledger)
    this.operator = operator
    this.disturber = disturber
    this.watch = setInterval(() => void this.look(), PROGRESS_MS)
    const ended = cutover.exited.then(
      ({ code, signal }) => `${signal ?? `code ${code}`}\n${cutover.stderr.slice(-2_000)}`,
    )
    const complaints = new Complaints(cutover.process.stderr as Readable)
    const measured = this.measure(operator, disturber).catch(async (error) => {
      // Whoever talks to a process that has ended mostly finds out before it is said to have.
      await Promise.race([ended, delay(EXIT_MS)])
      throw error
    })
    const found = await Promise.race([ended, measured, lost])
    const { tally, samples, warmUpSeconds } = this
    const { seconds } = this.options
    const [start, end] = typeof found === 'string' ? [nothing, nothing] : found
    return resultOf({
      seconds,
      warmUpSeconds,
      tally,
      ledger,
      complaints,
      samples,
      start,
      end,
      operations: operator.operations,
      refusedOperations: operator.refused,
      episodes: disturber.episodes,
      ended: typeof found === 'string' ? found : null,
    })
  }

  /** Ends all clients at once. */
  abandon(): void {
    clearInterval(this.watch)
    this.load?.abandon()
    this.operator?.abandon()
    this.disturber?.abandon()
  }

  /** What the process takes before and after the load. */
  private async measure(operator: Operator, disturber: Disturber): Promise<[Vitals, Vitals]> {
    const { cutover } = this.stage
    await this.phase(this.warmUpSeconds, operator, disturber)
    const start = await settled(cutover, () => true, SETTLE_MS)
    await this.phase(this.options.seconds, operator, disturber)
    return [start, await settled(cutover, (found) => hasComeBack(found, start), SETTLE_MS)]
  }

  /** Load from everybody for so long, and until all of it has been answered. */
  private async phase(seconds: number, operator: Operator, disturber: Disturber): Promise<void> {
    const port = Number(new URL(this.stage.cutover.proxy).port)
    const load = new Load({ port, tally: this.tally, streamMs: this.streamMs })
    this.load = load
    await Promise.race([delay(seconds * 1_000), load.running, operator.start(), disturber.start()])
    await operator.end()
    await disturber.end()
    await load.end()
  }

  private async look(): Promise<void> {
    const { cutover } = this.stage
    // All it prints is kept: of a long run that would be too much.
    cutover.stdout = ''
    cutover.stderr = cutover.stderr.slice(-10_000)
    const now = await vitals(cutover).catch(() => null)
    if (now === null) return
    const seconds = Math.round((performance.now() - this.startedAt) / 1_000)
    this.samples.push({ ...now, seconds })
    this.options.onProgress(this.progress(seconds, now))
  }

  private progress(seconds: number, now: Vitals): string {
    const { tally } = this
    const figures: [string, string | number][] = [
      ['steady', `${tally.okOf('steady')} ok ${tally.failedOf('steady')} failed`],
      ['rough', `${tally.okOf('rough')} ok ${tally.failedOf('rough')} failed`],
      ['in flight', now.inFlight],
      ['fds', now.fileDescriptors],
      ['RSS', `${(now.rssBytes / 1e6).toFixed(0)} MB`],
      ['heap', `${(now.heapBytes / 1e6).toFixed(0)} MB`],
      ['machine busy', `${((this.load?.pace.busyShare ?? 0) * 100).toFixed(0)} %`],
      ['trouble', this.disturber?.now ?? 'none'],
    ]
    return `${seconds} s: ${figures.map(([name, value]) => `${name} ${value}`).join(', ')}`
  }
}

const nothing: Vitals = { rssBytes: 0, heapBytes: 0, fileDescriptors: 0, clientConnections: 0, inFlight: 0 }

/** Rejects as soon as it is interrupted, whatever the other promise does then. */
async function orInterrupted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted()
  const stop = new AbortController()
  const interrupted = new Promise<never>((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { signal: stop.signal })
  })
  try {
    return await Promise.race([promise, interrupted])
  } finally {
    stop.abort()
  }
}
