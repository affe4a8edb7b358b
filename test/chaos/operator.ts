import { setTimeout as delay } from 'node:timers/promises'
import type { Chance } from '../support/chance.ts'
import type { Answer } from '../support/cutover.ts'
import { type Outcome, outcomeOf, outcomeOfFailure } from '../support/ledger.ts'
import { monotonicMs } from '../support/monotonic.ts'
import type { Seat } from '../support/seat.ts'
import { POOL_NAMES, SERVER_NAMES, serversNamed } from './services.ts'
import type { Stage } from './stage.ts'

/** An answer that said what was drained, and until when that had to be so. Times are of `monotonicMs`. */
export interface Claim {
  readonly service: string
  /** Where it stood, for people. */
  readonly said: string
  readonly revision: number
  /** Commands up to this number may have been made after it, where their outcome was not known. */
  readonly afterCommand: number
  /** By full names. */
  readonly servers: readonly string[]
  /** Instances that it said nothing about. */
  readonly leftOut: readonly string[]
  readonly at: number
  /** When the next command for the service was sent, which may have requests go there again. */
  until: number
}

interface Command {
  readonly path: string
  readonly body?: object
}

const WAITS_PERCENT = 75
const WAIT = '5s'
/** Of the claims that a command ends: that of the last command's answer, and what was said when looked at after it. */
const MOST_AT_ONCE = 2
const PAUSE_MS = [50, 600] as const
/** No command takes longer, whatever happens: it would have been given up by then. */
const ANSWER_MS = 15_000

/** The only operator of a service, who gives commands through random instances, one after another. */
export class Operator {
  readonly claims: Claim[] = []
  readonly #stage: Stage
  readonly #service: string
  readonly #chance: Chance
  #count = 0
  /** The newest revision that an answer has named. */
  #acknowledged = 0

  constructor(stage: Stage, service: string, chance: Chance) {
    this.#stage = stage
    this.#service = service
    this.#chance = chance
  }

  /** Goes on until told to end; resolves when the last command is answered. */
  async work(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const chance = this.#chance
      for (const command of this.#next()) {
        await this.give(chance.pick(this.#stage.seats), command, chance.percent(WAITS_PERCENT) ? WAIT : null)
        await this.#look(chance.pick(this.#stage.seats))
        await delay(chance.between(...PAUSE_MS))
      }
    }
  }

  /** Gives a command through an instance, and notes what it was answered. */
  async give(seat: Seat, { path, body }: Command, wait: string | null): Promise<Answer | null> {
    const { ledger } = this.#stage
    const reason = reasonOf(this.#service, ++this.#count)
    const query = new URLSearchParams({ service: this.#service, reason, ...(wait === null ? {} : { wait }) })
    // In the path of a service's own commands it is not asked for once more.
    if (path.startsWith('/api/services/')) query.delete('service')
    const sentAt = ledger.now()
    this.#endClaims()
    let answer: Answer | null = null
    let outcome: Outcome
    try {
      answer = await seat.cutover.api('POST', `${path}?${query}`, body)
      outcome = outcomeOf(answer)
      if (answer.status === 500) ledger.wrong.push(`${reason} at ${seat.name}: ${JSON.stringify(answer.body)}`)
      this.#acknowledged = outcome.kind === 'acknowledged' ? outcome.revision : this.#acknowledged
      this.#claim(answer, reason)
    } catch (error) {
      outcome = outcomeOfFailure(error)
    }
    const endedAt = ledger.now()
    const tookMs = endedAt - sentAt
    if (tookMs > ANSWER_MS) ledger.wrong.push(`${reason} at ${seat.name} had no answer for ${tookMs.toFixed(0)} ms`)
    const what = `POST ${path}?${query} ${JSON.stringify(body ?? {})}`
    ledger.add({ reason, instance: seat.name, what, key: null, ifMatch: null, sentAt, endedAt, outcome })
    if (answer?.body?.drained !== undefined) {
      ledger.note(`    ${reason}: drained ${answer.body.drained}, left out ${answer.body.leftOut ?? 'nobody'}`)
    }
    return answer
  }

  /** One command, or two that belong together. */
  #next(): readonly Command[] {
    const chance = this.#chance
    const of = (path: string) => `/api/services/${this.#service}/${path}`
    const kind = chance.between(1, 100)
    if (kind <= 45) return [{ path: of('switch'), body: { to: chance.pick(POOL_NAMES) } }]
    if (kind <= 60) {
      return [{ path: of('shift'), body: { to: chance.pick(POOL_NAMES), percent: chance.between(1, 99) } }]
    }
    if (kind <= 70) return [{ path: of('rollback') }]
    const server = `/api/servers/${chance.pick(SERVER_NAMES)}`
    return [{ path: `${server}/drain` }, { path: `${server}/enable` }]
  }

  #endClaims(): void {
    const now = monotonicMs()
    for (const claim of this.claims.slice(-MOST_AT_ONCE)) claim.until = Math.min(claim.until, now)
  }

  #claim({ status, body }: Answer, reason: string): void {
    if (status !== 200 || !Array.isArray(body.drained)) return
    const servers = body.drained.flatMap((name: string) => serversNamed(this.#service, name))
    this.#add(servers, body, `the answer to ${reason}`, this.#count - 1)
  }

  /** Looks at the service through an instance, which says there what is drained as well. */
  async #look({ cutover, name }: Seat): Promise<void> {
    const answer = await cutover.api('GET', `/api/services/${this.#service}`).catch(() => null)
    // An answer about an older state, or about the last known one, claims nothing about the present.
    if (answer?.status !== 200 || answer.body.stale === true || answer.body.revision < this.#acknowledged) return
    const pools: readonly Drainable[] = answer.body.pools
    const drained = [...pools, ...pools.flatMap(({ servers = [] }) => servers)].filter((each) => each.drained)
    const servers = drained.flatMap((each) => serversNamed(this.#service, each.name))
    this.#add(
      [...new Set(servers)],
      answer.body,
      `${name}, asked after ${reasonOf(this.#service, this.#count)},`,
      this.#count,
    )
  }

  #add(servers: readonly string[], body: Answer['body'], said: string, afterCommand: number): void {
    if (servers.length === 0) return
    const { revision, leftOut = [] } = body
    const until = Number.POSITIVE_INFINITY
    this.claims.push({
      service: this.#service,
      said,
      revision,
      afterCommand,
      servers,
      leftOut,
      at: monotonicMs(),
      until,
    })
  }
}

interface Drainable {
  readonly name: string
  readonly drained: boolean
  readonly servers?: readonly Drainable[]
}

function reasonOf(service: string, number: number): string {
  return `${service}-${number}`
}

/** The number of the command for a service that a reason in its history stands for; null: it was not the operator's. */
export function commandNumber(service: string, reason: string | null): number | null {
  return reason?.startsWith(`${service}-`) ? Number(reason.slice(service.length + 1)) : null
}
