import { setTimeout as delay } from 'node:timers/promises'
import type { Chance } from '../../support/chance.ts'
import type { Attempt, Ledger } from '../../support/ledger.ts'
import { outcomeOf, outcomeOfFailure } from '../../support/ledger.ts'
import type { Seat } from '../../support/seat.ts'
import type { Command } from './commands.ts'
import { randomCommand } from './commands.ts'

interface Lane {
  readonly seats: readonly Seat[]
  readonly chance: Chance
  readonly ledger: Ledger
  readonly until: number
  readonly name: string
}

/** A command with its author, reason and options. */
interface Order extends Command {
  readonly reason: string
  readonly key: string | null
  readonly ifMatch: number | null
  readonly waits: boolean
}

/** No command takes longer, whatever happens: it would have been given up by then. */
const ANSWER_MS = 15_000

/** An operator that gives random commands to random instances, one after the other, until the time is over. */
export async function operate(lane: Lane): Promise<void> {
  const { chance, ledger, until, seats, name } = lane
  for (let i = 1; ledger.now() < until; i++) {
    const command = randomCommand(chance)
    const hasKey = command.method === 'POST' && chance.percent(35)
    const order: Order = {
      ...command,
      reason: `${name}-${i}`,
      key: hasKey ? `key-${name}-${i}` : null,
      ifMatch: command.service !== null && chance.percent(25) ? await seen(lane, command.service) : null,
      waits: chance.percent(5),
    }
    const first = give(order, chance.pick(seats), ledger)
    if (hasKey && chance.percent(40)) {
      // An operator may not wait for the answer before asking another instance.
      await Promise.all([first, give(order, chance.pick(seats), ledger)])
    }
    const { outcome } = await first
    for (let again = hasKey ? chance.between(0, 2) : 0; again > 0; again--) {
      if (outcome.kind === 'unknown') await delay(chance.between(0, 500))
      await give(order, chance.pick(seats), ledger)
    }
    await delay(chance.between(0, 250))
  }
}

/** The revision of a service as any instance has it; null where it is not there. */
async function seen({ seats, chance }: Lane, service: string): Promise<number | null> {
  try {
    const { status, body } = await chance.pick(seats).cutover.api('GET', `/api/services/${service}`)
    return status === 200 ? body.revision : null
  } catch {
    // The instance is gone just now.
    return null
  }
}

async function give(order: Order, { cutover, name }: Seat, ledger: Ledger): Promise<Attempt> {
  const { method, path, query, body, reason, key, ifMatch, waits } = order
  const parameters = new URLSearchParams({ ...query, reason, ...(waits ? { wait: '1s' } : {}) })
  const headers = {
    ...(key === null ? {} : { 'idempotency-key': key }),
    ...(ifMatch === null ? {} : { 'if-match': `"${ifMatch}"` }),
  }
  const sentAt = ledger.now()
  const outcome = await cutover
    .api(method, `${path}?${parameters}`, body, headers)
    .then((answer) => {
      if (answer.status === 500) ledger.wrong.push(`${reason} at ${name} was answered ${JSON.stringify(answer.body)}`)
      return outcomeOf(answer)
    })
    .catch(outcomeOfFailure)
  const endedAt = ledger.now()
  if (endedAt - sentAt > ANSWER_MS) {
    ledger.wrong.push(`${reason} at ${name} had no answer for ${(endedAt - sentAt).toFixed(0)} ms`)
  }
  const condition = ifMatch === null ? '' : ` If-Match ${ifMatch}`
  const what = `${method} ${path}?${parameters} ${JSON.stringify(body ?? {}).slice(0, 80)}${condition}`
  const attempt = { reason, instance: name, what, key, ifMatch, sentAt, endedAt, outcome }
  ledger.add(attempt)
  return attempt
}
