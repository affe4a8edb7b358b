import { Cutover } from '../support/cutover.ts'
import { Ledger } from './ledger.ts'
import { PROXY, ROUGH_SERVERS, STEADY_SERVERS, services } from './services.ts'
import { UpstreamProcess } from './upstream-process.ts'

/** Every process that a soak needs. */
export class Stage {
  readonly ledger = new Ledger()
  readonly rough: UpstreamProcess[] = []
  private theSteady: UpstreamProcess | null = null
  private theCutover: Cutover | null = null
  private lose: (error: Error) => void = () => undefined
  /** Rejects when servers end that nobody has ended. */
  readonly lost = new Promise<never>((_resolve, reject) => {
    this.lose = reject
  })

  constructor() {
    // Whoever wants to know asks.
    this.lost.catch(() => undefined)
  }

  get steady(): UpstreamProcess {
    return started(this.theSteady)
  }

  get cutover(): Cutover {
    return started(this.theCutover)
  }

  async open(): Promise<void> {
    const events = {
      disturbed: this.ledger.disturbed.bind(this.ledger),
      lost: (error: Error) => this.lose(error),
    }
    const [steady, ...rough] = await Promise.all(
      [STEADY_SERVERS, ...ROUGH_SERVERS.map((name) => [name])].map((names) => UpstreamProcess.start(names, events)),
    )
    this.theSteady = steady ?? null
    this.rough.push(...rough)
    this.theCutover = await Cutover.start({
      services: services(this.steady, this.rough),
      proxy: PROXY,
      // A warning is worth nothing without the place that it comes from.
      env: { NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ''} --trace-warnings` },
    })
  }

  async close(): Promise<void> {
    const upstreams = [...this.rough, ...(this.theSteady === null ? [] : [this.theSteady])]
    await Promise.all([this.theCutover?.stop('SIGKILL'), ...upstreams.map((each) => each.end('SIGKILL'))])
  }
}

function started<T>(value: T | null): T {
  if (value === null) throw new Error('not started')
  return value
}
