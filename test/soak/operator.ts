import type { Cutover } from '../support/cutover.ts'
import { EXTRA_SERVER } from './services.ts'

/** Long enough for everything that is under way anywhere to end by itself. */
const WAIT = '?wait=60s'
/** Requests to `steady` between two operations that wait for nothing themselves. */
const BETWEEN = 50

/** One thing to do through the admin API. */
interface Operation {
  readonly what: string
  readonly method: string
  readonly path: string
  readonly body?: unknown
  /** What has to be named as drained in the answer. */
  readonly drained?: string
}

type Round = readonly Operation[]

/** A round: it ends as it began, with everything on blue. */
function round(extraUrl: string): Round {
  const service = '/api/services/steady'
  const act = (what: string, body?: object): Operation => ({ what, method: 'POST', path: `${service}/${what}`, body })
  const switchTo = (to: string) => act('switch', { to })
  const drainedAfter = (operation: Operation, drained: string): Operation => ({
    ...operation,
    path: `${operation.path}${WAIT}`,
    drained,
  })
  const server = (name: string, what: string): Operation => ({
    what,
    method: 'POST',
    path: `/api/servers/${name}/${what}`,
  })
  const extra = `${service}/pools/blue/servers/${EXTRA_SERVER}`
  const there = [switchTo('green'), switchTo('blue')]
  return [
    ...there,
    ...there,
    act('shift', { to: 'green', percent: 5 }),
    act('shift', { to: 'green', percent: 50 }),
    server('green1', 'disable'),
    server('green1', 'enable'),
    act('rollback'),
    { what: 'patch', method: 'PATCH', path: service, body: { connections: { keepAlive: '800ms' } } },
    { what: 'add a server', method: 'PUT', path: extra, body: { url: extraUrl } },
    drainedAfter(server('blue1', 'disable'), 'blue1'),
    server('blue1', 'enable'),
    act('shift', { split: { blue: 30, green: 70 } }),
    { what: 'remove a server', method: 'DELETE', path: extra },
    { what: 'patch', method: 'PATCH', path: service, body: { connections: { keepAlive: '1s' } } },
    ...there,
    drainedAfter(switchTo('green'), 'blue'),
    ...there.toReversed(),
    drainedAfter(switchTo('blue'), 'green'),
  ]
}

/** Does everything to `steady` that must not cost a request, one thing after the other, over and over. */
export class Operator {
  /** How often each thing was done. */
  readonly operations: Record<string, number> = {}
  /** What was answered that should not have been. */
  readonly refused: string[] = []
  private readonly cutover: Cutover
  private readonly round: Round
  private readonly answered: (count: number) => Promise<void>
  private running: Promise<void> = Promise.resolve()
  private ending = false
  /** Where it goes on: an operation may need the one before it. */
  private next = 0

  /** `answered`: resolves when so many more requests have been answered. */
  constructor(cutover: Cutover, extraUrl: string, answered: (count: number) => Promise<void>) {
    this.cutover = cutover
    this.round = round(extraUrl)
    this.answered = answered
  }

  /** Rejects when it cannot go on. */
  start(): Promise<void> {
    this.ending = false
    this.running = this.run()
    return this.running
  }

  /** Resolves when the operation under way is done. */
  async end(): Promise<void> {
    this.ending = true
    await this.running
  }

  /** Begins nothing new. */
  abandon(): void {
    this.ending = true
    this.running.catch(() => undefined)
  }

  private async run(): Promise<void> {
    while (!this.ending) {
      const operation = this.round[this.next++ % this.round.length]
      if (operation !== undefined) await this.carryOut(operation)
      await this.answered(BETWEEN)
    }
  }

  private async carryOut({ what, method, path, body, drained }: Operation): Promise<void> {
    const { status, body: answer } = await this.cutover.api(method, path, body)
    this.count(what)
    const isRight = status === 200 && (drained === undefined || (answer.drained?.includes(drained) && answer.cut === 0))
    if (!isRight) this.refused.push(`${method} ${path}: ${status} ${JSON.stringify(answer).slice(0, 500)}`)
    else if (drained !== undefined) this.count('drained')
  }

  private count(what: string): void {
    this.operations[what] = (this.operations[what] ?? 0) + 1
  }
}
