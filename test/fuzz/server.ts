import type { Listening } from '../support/upstream.ts'
import { listenFor } from './endpoint.ts'
import type { Pipe } from './pipe.ts'
import { type PlannedExchange, REQUEST_ID_FIELD } from './plan.ts'
import { type Coming, type Recorder, ServerConnection } from './server-connection.ts'
import { type Message, show, valuesOf } from './wire.ts'

/** The server behind the proxy: answers every request as planned, and remembers all it has seen. */
export class FuzzServer implements Recorder {
  /** Descriptions of messages that no client has sent. */
  readonly violations: string[] = []
  readonly port: number
  /** Called when something comes on a connection, or is sent. */
  onMove = (): void => undefined
  private readonly listening: Listening
  private readonly plans = new Map<string, PlannedExchange>()
  private readonly heads = new Map<string, Message[]>()
  private readonly tunnels = new Map<string, PromiseWithResolvers<Buffer>>()
  private readonly whole = new Map<string, Message[]>()
  /** Bytes of incomplete requests on connections that have ended. */
  private leftOver = ''
  private readonly open = new Set<ServerConnection>()
  /** Requests of which nothing more may arrive, or not all, or whose case is over. */
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
    for (const exchange of exchanges) {
      this.plans.set(exchange.id, exchange)
      if (exchange.tunnel !== null) this.tunnels.set(exchange.id, Promise.withResolvers())
    }
  }

  /** Requests with this id that arrived whole. */
  requestsOf(id: string): readonly Message[] {
    return this.whole.get(id) ?? []
  }

  /** Requests with this id whose heads arrived, whole or not. */
  headsOf(id: string): readonly Message[] {
    return this.heads.get(id) ?? []
  }

  /** The bytes of the client in the tunnel of this id, once it has ended. */
  tunnelOf(id: string): Promise<Buffer> {
    return this.tunnels.get(id)?.promise ?? Promise.resolve(Buffer.alloc(0))
  }

  tunnelEnded(id: string, bytes: Buffer): void {
    this.tunnels.get(id)?.resolve(bytes)
  }

  /** Whether any part of the request with this id has arrived; the id is at its beginning. */
  hasTraceOf(id: string): boolean {
    if (this.heads.has(id) || this.leftOver.includes(id)) return true
    return [...this.open].some(({ pipe }) => pipe.received.includes(id))
  }

  /** From now on, nothing of the request may arrive, or not all of it. */
  forbid(id: string, what: 'nothing' | 'not whole'): void {
    this.late.set(id, what)
  }

  /** Call when the case is over: what may still arrive of these requests is ignored. */
  forget(ids: readonly string[]): void {
    for (const id of ids) {
      this.plans.delete(id)
      this.tunnels.delete(id)
      this.heads.delete(id)
      this.whole.delete(id)
      if (!this.late.has(id)) this.late.set(id, 'over')
    }
    this.leftOver = ''
    this.violations.length = 0
  }

  /** The incomplete requests, for reports. */
  describe(): string {
    return [...this.open].map(({ pipe }) => `The server has ${show(pipe.received)}, ended: ${pipe.ended}`).join('\n')
  }

  headCame(request: Message): Coming {
    const id = idOf(request)
    const plan = this.plans.get(id)
    const late = this.late.get(id)
    if (late === 'nothing' || (plan === undefined && late === undefined)) this.violate(request)
    const failure = this.heads.has(id) ? null : (plan?.firstTry ?? null)
    this.heads.set(id, [...this.headsOf(id), request])
    return { plan, failure }
  }

  wholeCame(request: Message): void {
    const id = idOf(request)
    if (this.late.get(id) === 'not whole') this.violate(request)
    this.whole.set(id, [...this.requestsOf(id), request])
  }

  opened(connection: ServerConnection): void {
    this.open.add(connection)
    connection.pipe.onMove = () => this.onMove()
  }

  ended(connection: ServerConnection): void {
    this.open.delete(connection)
    this.leftOver += connection.pipe.received.toString('latin1', 0, 20_000)
  }

  private violate(request: Message): void {
    const what = `${show(request.startLine)}, ${show(idOf(request))}`
    this.violations.push(`a request came that nobody sent, or that was refused: ${what}`)
  }
}

function idOf({ fields }: Message): string {
  return valuesOf(fields, REQUEST_ID_FIELD)[0] ?? ''
}
