import type { Pipe } from './pipe.ts'
import type { FirstTry, PlannedExchange } from './plan.ts'
import { type Message, Nonsense, readRequest, show } from './wire.ts'

/** Records the requests on all connections of a server. */
export interface Recorder {
  readonly violations: string[]
  /** The head of a request has arrived. Returns its plan, and how this try is failed. */
  headCame(request: Message): Coming
  /** The whole request has arrived. */
  wholeCame(request: Message): void
  /** A tunnel has ended, after these bytes of the client. */
  tunnelEnded(id: string, bytes: Buffer): void
  opened(connection: ServerConnection): void
  ended(connection: ServerConnection): void
}

/** A request that arrives. */
export interface Coming {
  readonly plan: PlannedExchange | undefined
  readonly failure: FirstTry | null
}

const CONTINUE = Buffer.from('HTTP/1.1 100 Continue\r\n\r\n')

/** One connection to the server: reads requests, and answers each as planned. */
export class ServerConnection {
  readonly pipe: Pipe
  private readonly recorder: Recorder
  /** The current request, from its head on. */
  private current: Coming | null = null
  /** Whether the current request was answered before its end. */
  private answeredEarly = false
  /** Whether a 100 was sent for the current request. */
  private saidContinue = false
  /** Whether no further request may arrive. */
  private saidClose = false
  private answering = false
  /** Id of the request that opened a tunnel; null = none. */
  private tunnelId: string | null = null
  /** The current response. */
  private saying: Promise<void> = Promise.resolve()

  constructor(recorder: Recorder, pipe: Pipe) {
    this.recorder = recorder
    this.pipe = pipe
  }

  async serve(): Promise<void> {
    this.recorder.opened(this)
    try {
      while (this.pipe.ended === null) {
        this.read()
        await this.pipe.progress()
      }
      this.read()
      if (this.tunnelId !== null) this.recorder.tunnelEnded(this.tunnelId, this.pipe.received)
    } catch (error) {
      if (!(error instanceof Nonsense)) throw error
      this.recorder.violations.push(`the server got ${error.message}: ${show(this.pipe.received)}`)
      this.pipe.leave('reset')
    }
    this.recorder.ended(this)
    await this.saying
    this.pipe.leave('fin')
  }

  private read(): void {
    while (this.tunnelId === null) {
      const request = readRequest(this.pipe.received)
      if (request === null) return
      this.current ??= this.recorder.headCame(request)
      const { plan, failure } = this.current
      if (request.length === null) {
        if (failure?.behind === 'head') this.pipe.leave(failure.ending)
        else this.readHead(plan)
        return
      }
      this.recorder.wholeCame(request)
      this.pipe.take(request.length)
      if (failure !== null) this.pipe.leave(failure.ending)
      else if (!this.answeredEarly) this.saying = this.answer(plan)
      if (plan?.tunnel && failure === null) this.tunnelId = plan.id
      this.current = null
      this.answeredEarly = false
      this.saidContinue = false
    }
  }

  /** Sends what is planned for the time before the end of the request. */
  private readHead(plan: PlannedExchange | undefined): void {
    if (plan === undefined || this.answeredEarly) return
    if (plan.response.early) {
      this.answeredEarly = true
      void this.answer(plan)
    } else if (plan.response.continues && !this.saidContinue) {
      this.saidContinue = true
      void this.pipe.write([CONTINUE])
    }
  }

  private async answer(plan: PlannedExchange | undefined): Promise<void> {
    if (plan === undefined) {
      this.pipe.leave('reset')
      return
    }
    const { violations } = this.recorder
    if (this.saidClose) violations.push(`a request came on a connection that was to close: ${plan.id}`)
    if (this.answering) violations.push(`a request came before the one before it was answered: ${plan.id}`)
    const { pieces, ending, continues } = plan.response
    this.saidClose ||= ending !== 'keep'
    this.answering = true
    await this.pipe.write(continues && !this.saidContinue ? [CONTINUE, ...pieces] : pieces)
    this.answering = false
    if (ending !== 'keep') this.pipe.leave(ending)
    if (plan.tunnel?.end.by === 'server') this.pipe.leave(plan.tunnel.end.how)
  }
}
