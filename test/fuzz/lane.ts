import { inspect } from 'node:util'
import fc from 'fast-check'
import type { Cutover } from '../support/cutover.ts'
import { type CaseSketch, planCase, planPlain } from './cases.ts'
import { Conversation } from './client.ts'
import { Violation } from './demand.ts'
import { judge } from './judge.ts'
import { type LaneKind, nameOf } from './lane-kind.ts'
import { Pipe } from './pipe.ts'
import type { PlannedConversation } from './plan.ts'
import type { FuzzServer } from './server.ts'
import { Nonsense } from './wire.ts'

/** For so long nothing may come or be sent on any connection of the lane. A whole case takes as long on a busy machine. */
const HANG_MS = 10_000
/** Once something has failed, smaller cases of it are looked for, which must not take for ever. */
const HANG_AGAIN_MS = 2_000
/** For so long, smaller cases that fail are looked for. */
const SMALLER_MS = 30_000

/** The proxy of all lanes. */
interface LaneArena {
  readonly cutover: Pick<Cutover, 'stderr'>
  readonly hasCrashed: boolean
  portFor(kind: LaneKind): number
  /** Starts the proxy anew if it has crashed. */
  revive(): Promise<void>
}

/** A host at the proxy with a server behind it, where one case is played after the other. */
export class Lane {
  readonly server: FuzzServer
  private readonly host: string
  private readonly kind: LaneKind
  private readonly arena: LaneArena
  private hangMs = HANG_MS
  private failedAt: number | null = null
  /** Runs out when the lane hangs. */
  private patience: NodeJS.Timeout | null = null
  private readonly onMove = (): void => void this.patience?.refresh()

  constructor(arena: LaneArena, server: FuzzServer, host: string, kind: LaneKind) {
    this.arena = arena
    this.server = server
    this.host = host
    this.kind = kind
    server.onMove = this.onMove
  }

  /**
   * Plays a case, then a plain request on as many connections at once, and judges all of it. Rejects with what is wrong
   * and all that was said.
   */
  async play(sketch: CaseSketch): Promise<void> {
    if (this.failedAt !== null && performance.now() - this.failedAt > SMALLER_MS) throw new fc.PreconditionFailure(true)
    await this.arena.revive()
    const played: Conversation[] = []
    try {
      await this.converse(planCase(sketch, this.host, this.kind), played)
      await this.converse(
        sketch.map(() => planPlain(this.host, this.kind)),
        played,
      )
    } catch (error) {
      this.failedAt ??= performance.now()
      const why = error instanceof Violation || error instanceof Nonsense ? error.message : inspect(error)
      throw new Error(
        [`${why} (lane: ${nameOf(this.kind)})`, ...played.map((each) => each.describe()), this.server.describe()].join(
          '\n',
        ),
      )
    } finally {
      for (const conversation of played) conversation.destroy()
      this.server.forget(played.flatMap(({ plan }) => plan.exchanges.map(({ id }) => id)))
    }
  }

  private async converse(planned: readonly PlannedConversation[], played: Conversation[]): Promise<void> {
    const { server, arena } = this
    server.expect(planned.flatMap(({ exchanges }) => exchanges))
    const port = arena.portFor(this.kind)
    const pipes = await Promise.all(planned.map(() => Pipe.open(port)))
    for (const pipe of pipes) pipe.onMove = this.onMove
    const conversations = pipes.map((pipe, i) => new Conversation(planned[i] as PlannedConversation, pipe))
    played.push(...conversations)
    const { cutover } = arena
    const logged = cutover.stderr.length
    await this.inTime(Promise.all(conversations.map((each) => each.run())))
    // It may have been the case of another lane: it is the one that fails when it is played by itself.
    if (arena.hasCrashed) throw new Violation(`the proxy has crashed:\n${cutover.stderr.slice(-2_000)}`)
    if (cutover.stderr.length > logged) throw new Violation(`the proxy had an error:\n${cutover.stderr.slice(logged)}`)
    await this.inTime(
      Promise.all(conversations.map(({ plan, transcript }) => transcript && judge(plan, transcript, server))),
    )
    const [violation] = server.violations.splice(0)
    if (violation !== undefined) throw new Violation(violation)
  }

  private async inTime(work: Promise<unknown>): Promise<void> {
    const late = new Promise<never>((_, reject) => {
      this.patience = setTimeout(() => reject(new Violation('it hangs')), this.hangMs)
    })
    try {
      await Promise.race([work, late])
    } catch (error) {
      this.hangMs = HANG_AGAIN_MS
      throw error
    } finally {
      if (this.patience !== null) clearTimeout(this.patience)
      this.patience = null
    }
  }
}
