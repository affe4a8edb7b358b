import type { Pipe } from './pipe.ts'
import type { FirstTry, PlannedExchange } from './plan.ts'
import { type Message, Nonsense, readRequest, show } from './wire.ts'

/** What a server does with what comes on its connections. */
export interface Recorder {
  readonly violations: string[]
  /** The head of a request has come; returns what is planned for it, and how it is failed this time. */
  headCame(request: Message): Coming
  /** All of it has come. */
  wholeCame(request: Message): void
  /** A tunnel has ended through which these bytes have come. */
  tunnelEnded(id: string, bytes: Buffer): void
  opened(connection: ServerConnection): void
  ended(connection: ServerConnection): void
}

/** A request that comes. */
export interface Coming {
  readonly plan: PlannedExchange | undefined
  readonly failure: FirstTry | null
}

const CONTINUE = Buffer.from('HTTP/1.1 100 Continue\r\n\r\n')

/** One connection to the server: reads requests, and answers each as planned. */
export class ServerConnection {
  readonly pipe: Pipe
  private readonly recorder: Recorder
  /** The request under way, from its head on. */
  private current: Coming | null = null
  /** The request under way has had its answer before its end. */
  private answeredEarly = false
  /** The request under way has been told to go on. */
  private saidContinue = false
  /** No other request may come. */
  private saidClose = false
  private answering = false
  /** Of the request behind which another protocol is spoken here. */
  private tunnelId: string | null = null
  /** What is being said. */
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

  /** Says what is to be said before the request has come to its end. */
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
