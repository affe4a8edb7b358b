import type { Listening } from '../support/upstream.ts'
import { listenFor } from './endpoint.ts'
import type { Pipe } from './pipe.ts'
import { type PlannedExchange, REQUEST_ID_FIELD } from './plan.ts'
import { type Message, Nonsense, readRequest, show, valuesOf } from './wire.ts'

/** The server behind the proxy: answers every request as planned, and remembers all it has seen. */
export class FuzzServer {
  /** What nobody may have sent, whatever the case. */
  readonly violations: string[] = []
  readonly port: number
  private readonly listening: Listening
  private readonly plans = new Map<string, PlannedExchange>()
  private readonly whole = new Map<string, Message[]>()
  /** What was left on connections that have ended in the middle of a request. */
  private leftOver = ''
  private readonly open = new Set<ServerConnection>()
  /** Requests of which nothing may come any more, or not all of it, or whose case is over. */
  private readonly late = new Map<string, 'nothing' | 'not whole' | 'over'>()

  private constructor(listening: Listening) {
    this.listening = listening
    this.port = listening.port
  }

  static async start(isSecure: boolean): Promise<FuzzServer> {
    let accept: (pipe: Pipe) => void = () => undefined
    const server = new FuzzServer(await listenFor(isSecure, (pipe) => accept(pipe)))
    accept = (pipe) => void new ServerConnection(server, pipe).serve()
    return server
  }

  close(): Promise<void> {
    return this.listening.close()
  }

  expect(exchanges: readonly PlannedExchange[]): void {
    for (const exchange of exchanges) this.plans.set(exchange.id, exchange)
  }

  /** Requests with this id that have come whole. */
  requestsOf(id: string): readonly Message[] {
    return this.whole.get(id) ?? []
  }

  /** Whether any byte of the request with this id has come: its id stands at the beginning of it. */
  hasTraceOf(id: string): boolean {
    if (this.whole.has(id) || this.leftOver.includes(id)) return true
    return [...this.open].some(({ pipe }) => pipe.received.includes(id))
  }

  /** From now on, nothing of it may come, or not all of it. */
  forbid(id: string, what: 'nothing' | 'not whole'): void {
    this.late.set(id, what)
  }

  /** The case is over: what else comes of these, if it may come, is nobody's concern. */
  forget(ids: readonly string[]): void {
    for (const id of ids) {
      this.plans.delete(id)
      this.whole.delete(id)
      if (!this.late.has(id)) this.late.set(id, 'over')
    }
    this.leftOver = ''
    this.violations.length = 0
  }

  /** What has come of requests that are not whole, for the report. */
  describe(): string {
    return [...this.open].map(({ pipe }) => `The server has ${show(pipe.received)}, ended: ${pipe.ended}`).join('\n')
  }

  /** The plan of a request whose head has come. */
  planOf(request: Message): PlannedExchange | undefined {
    const id = idOf(request)
    const plan = this.plans.get(id)
    const late = this.late.get(id)
    const isWhole = request.length !== null
    if (late === 'nothing' || (late === 'not whole' && isWhole) || (plan === undefined && late === undefined)) {
      this.violations.push(
        `a request came that nobody sent, or that was refused: ${show(request.startLine)}, ${show(id)}`,
      )
    }
    if (isWhole) this.whole.set(id, [...this.requestsOf(id), request])
    return plan
  }

  opened(connection: ServerConnection): void {
    this.open.add(connection)
  }

  ended(connection: ServerConnection): void {
    this.open.delete(connection)
    this.leftOver += connection.pipe.received.toString('latin1', 0, 20_000)
  }
}

class ServerConnection {
  readonly pipe: Pipe
  private readonly server: FuzzServer
  /** The request under way has had its answer before its end. */
  private answeredEarly = false
  /** No other request may come. */
  private saidClose = false
  private answering = false

  constructor(server: FuzzServer, pipe: Pipe) {
    this.server = server
    this.pipe = pipe
  }

  async serve(): Promise<void> {
    this.server.opened(this)
    try {
      while (this.pipe.ended === null) {
        this.read()
        await this.pipe.progress()
      }
      this.read()
    } catch (error) {
      if (!(error instanceof Nonsense)) throw error
      this.server.violations.push(`the server got ${error.message}: ${show(this.pipe.received)}`)
      this.pipe.leave('reset')
    }
    this.server.ended(this)
    this.pipe.leave('fin')
  }

  private read(): void {
    for (;;) {
      const request = readRequest(this.pipe.received)
      if (request === null) return
      const plan = this.server.planOf(request)
      if (request.length === null) {
        if (plan?.response.early && !this.answeredEarly) {
          this.answeredEarly = true
          void this.answer(plan)
        }
        return
      }
      this.pipe.take(request.length)
      if (!this.answeredEarly) void this.answer(plan)
      this.answeredEarly = false
    }
  }

  private async answer(plan: PlannedExchange | undefined): Promise<void> {
    if (plan === undefined) {
      this.pipe.leave('reset')
      return
    }
    if (this.saidClose) this.server.violations.push(`a request came on a connection that was to close: ${plan.id}`)
    if (this.answering) this.server.violations.push(`a request came before the one before it was answered: ${plan.id}`)
    const { pieces, ending } = plan.response
    this.saidClose ||= ending !== 'keep'
    this.answering = true
    await this.pipe.write(pieces)
    this.answering = false
    if (ending !== 'keep') this.pipe.leave(ending)
  }
}

function idOf({ fields }: Message): string {
  return valuesOf(fields, REQUEST_ID_FIELD)[0] ?? ''
}
