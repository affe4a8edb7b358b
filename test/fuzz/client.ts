import { announced } from './announcement.ts'
import type { Pipe } from './pipe.ts'
import type { PlannedConversation, PlannedRequest, PlannedTunnel } from './plan.ts'
import { type Message, readResponse, show, statusOf, valuesOf } from './wire.ts'

const SWITCHING = 101
const NOTHING = Buffer.alloc(0)

/** What the client has got for a request. */
export interface Answer {
  readonly interim: readonly Message[]
  readonly message: Message
  /** It has come to its end, as far as the client can tell. */
  readonly isWhole: boolean
}

/** All that a client has seen on one connection. */
export interface Transcript {
  readonly answers: readonly Answer[]
  /** What came behind the last answer, or of one that did not come. */
  readonly rest: Buffer
  readonly ending: 'fin' | 'reset'
  /** The proxy has hung up, rather than the client. */
  readonly hungUp: boolean
  /** Bytes from the server's end of the tunnel; null = no tunnel was opened. */
  readonly tunnelled: Buffer | null
}

/** A client that sends what is planned, reads what it gets, and ends when all is said. */
export class Conversation {
  readonly plan: PlannedConversation
  readonly answers: Answer[] = []
  private readonly pipe: Pipe
  transcript: Transcript | null = null
  private writing: Promise<void> = Promise.resolve()

  constructor(plan: PlannedConversation, pipe: Pipe) {
    this.plan = plan
    this.pipe = pipe
  }

  async run(): Promise<void> {
    const { pipe, plan } = this
    if (plan.pipelined !== null) this.send(announced(plan.announcement, plan.pipelined))
    let goesOn = true
    for (const [i, { request, tunnel }] of plan.exchanges.entries()) {
      if (plan.pipelined === null) this.send(i > 0 ? request.pieces : announced(plan.announcement, request.pieces))
      goesOn = request.leaves === null ? await this.read(request) : await this.leave(request.leaves)
      if (tunnel !== null && this.isSwitched) {
        await this.runTunnel(tunnel)
        return
      }
      if (!goesOn) break
    }
    if (goesOn) pipe.leave('fin')
    const hungUp = !goesOn && !plan.exchanges.some(({ request }) => request.leaves !== null)
    while (pipe.ended === null) await pipe.progress()
    await this.writing
    pipe.socket.destroy()
    this.transcript = { answers: this.answers, rest: pipe.received, ending: pipe.ended, hungUp, tunnelled: null }
  }

  /** What was to be said and what was, as one can read it, and type it again. */
  describe(): string {
    const { answers, pipe, plan } = this
    const lines = plan.exchanges.flatMap(({ id, request, response, faults, tunnel, firstTry }, i) => {
      const answer = answers[i]
      const got =
        answer === undefined ? 'nothing' : `${answer.isWhole ? '' : 'broken off: '}${show(answer.message.startLine)}`
      return [
        `  ${id}: ${faults.join('; ') || 'nothing wrong'}`,
        `    ${request.fate}: ${show(Buffer.concat(request.pieces), 1_500)}`,
        ...(request.held.length === 0 ? [] : [`    after a 100: ${show(Buffer.concat(request.held), 1_500)}`]),
        `    ${response.fate}${response.early ? ', early' : ''}${response.continues ? ', after a 100' : ''}, then ${response.ending}: ${show(Buffer.concat(response.pieces), 1_500)}`,
        ...(firstTry === null ? [] : [`    at first, a ${firstTry.ending} behind the ${firstTry.behind}`]),
        ...(tunnel === null ? [] : [`    a tunnel, ended by the ${tunnel.end.by} (${tunnel.end.how})`]),
        `    the client got ${got}`,
      ]
    })
    const how = plan.pipelined === null ? 'in turn' : 'in one go'
    const rest = `  then the client has ${show(pipe.received)}, ended: ${pipe.ended}`
    const { announcement } = plan
    const opening =
      announcement === null
        ? []
        : [`  opened ${announcement.isBad ? 'badly ' : ''}with ${show(Buffer.concat(announcement.pieces))}`]
    return [`A connection, requests sent ${how}`, ...opening, ...lines, rest].join('\n')
  }

  destroy(): void {
    this.pipe.socket.destroy()
  }

  /** Whether the last answer is a 101. */
  private get isSwitched(): boolean {
    const answer = this.answers.at(-1)
    return answer !== undefined && statusOf(answer.message) === SWITCHING
  }

  private async runTunnel({ later, end }: PlannedTunnel): Promise<void> {
    const { pipe, answers } = this
    this.send(later)
    await this.writing
    if (end.by === 'client') pipe.leave(end.how)
    while (pipe.ended === null) await pipe.progress()
    pipe.leave('fin')
    this.transcript = { answers, rest: NOTHING, ending: pipe.ended, hungUp: false, tunnelled: pipe.received }
  }

  private send(pieces: readonly Buffer[]): void {
    this.writing = this.writing.then(() => this.pipe.write(pieces))
  }

  /** Leaves when all is sent. */
  private async leave(how: 'fin' | 'reset'): Promise<false> {
    await this.writing
    this.pipe.leave(how)
    return false
  }

  /** Reads the answer to a request; whether another one may follow. */
  private async read({ method, held }: PlannedRequest): Promise<boolean> {
    const { pipe } = this
    let heldBack = held
    const interim: Message[] = []
    for (;;) {
      const message = readResponse(pipe.received, method, pipe.ended !== null)
      if (message !== null && message.length !== null && isInterim(message)) {
        pipe.take(message.length)
        interim.push(message)
        if (statusOf(message) === 100) {
          this.send(heldBack)
          heldBack = []
        }
      } else if (message !== null && (message.length !== null || pipe.ended !== null)) {
        const isWhole = message.length !== null && !(message.framing === 'close' && pipe.ended === 'reset')
        pipe.take(message.length ?? pipe.received.length)
        this.answers.push({ interim, message, isWhole })
        return isWhole && pipe.ended === null && !isLast(message) && heldBack.length === 0
      } else if (pipe.ended !== null) return false
      else await pipe.progress()
    }
  }
}

function isInterim(message: Message): boolean {
  return statusOf(message) < 200 && statusOf(message) !== SWITCHING
}

/** Whether the connection is to close behind this response. */
export function isLast(message: Message): boolean {
  return valuesOf(message.fields, 'connection').some((value) => /\bclose\b/i.test(value)) || message.framing === 'close'
}
