import { randomUUID } from 'node:crypto'
import type { TickRow } from '../../model/messages.ts'
import { StoreUnavailable } from '../../store/store.ts'
import type { TickExchange } from '../../store/ticks.ts'
import { mergeRows } from '../../telemetry/ticks/merge-rows.ts'
import type { TickHistory } from '../../telemetry/ticks/tick-history.ts'
import { packTicks, type Tick, unpackTicks } from './tick-text.ts'

/** Time for the ticks of the other instances to arrive before they are summed up. */
const GATHER_MS = 400
/** Seconds whose ticks are sent one by one; those of a longer outage are sent by ten seconds. */
const MAX_SINGLE = 60
const COARSE_SECONDS = 10
/** Ticks that are older are in no figure any more. */
const MAX_AGE_SECONDS = 7_200
/** Max ticks in one message. */
const MAX_TICKS = 60

interface Message {
  readonly sequence: number
  readonly text: string
}

/**
 * Sends the ticks of this instance to the fleet, and receives the sums of those of all instances. An instance sends each
 * tick until the store has it, and keeps them meanwhile. The instance whose turn it is sums up what all have sent, so that
 * each of them reads one sum a second, however many there are.
 */
export class FleetTicks {
  private readonly exchange: TickExchange
  private readonly history: TickHistory
  private readonly source = randomUUID()
  private sequence = 0
  /** Rows that are not sent yet, by second. */
  private readonly unsent = new Map<number, readonly TickRow[]>()
  /** The message that is being sent, or whose outcome is unknown; null = none. */
  private message: Message | null = null
  private sending: Promise<void> | null = null
  private timer: NodeJS.Timeout | undefined

  constructor(exchange: TickExchange, history: TickHistory) {
    this.exchange = exchange
    this.history = history
    exchange.onSum((sum, isNext) => this.take(sum, isNext))
  }

  /** Sends the rows of a second, after those that could not be sent before. */
  add(second: number, rows: readonly TickRow[]): void {
    const known = this.unsent.get(second)
    this.unsent.set(second, known === undefined ? rows : mergeRows([...known, ...rows]))
    this.bound(second)
    this.sending ??= this.send().finally(() => {
      this.sending = null
    })
  }

  /** Resolves when everything has been sent that can be. */
  async close(): Promise<void> {
    await this.sending
    clearTimeout(this.timer)
  }

  private async send(): Promise<void> {
    try {
      while (this.message !== null || this.unsent.size > 0) {
        this.message ??= this.nextMessage()
        const { sequence, text } = this.message
        const { isTurn } = await this.exchange.send(this.source, sequence, text)
        this.message = null
        if (isTurn) this.timer = setTimeout(() => void this.sumUp(), GATHER_MS)
      }
    } catch (error) {
      // The same message is sent again with the next tick: the store adds it once.
      ifUnavailable(error)
    }
  }

  private nextMessage(): Message {
    const ticks = [...this.unsent].slice(0, MAX_TICKS)
    for (const [second] of ticks) this.unsent.delete(second)
    return { sequence: ++this.sequence, text: packTicks(ticks) }
  }

  private async sumUp(): Promise<void> {
    try {
      const pending = await this.exchange.pending()
      if (pending.ticks.length === 0) return
      const sums = new Map<number, { readonly rows: TickRow[]; instances: number }>()
      for (const [second, rows, instances = 1] of pending.ticks.flatMap(unpackTicks)) {
        const known = sums.get(second)
        if (known === undefined) sums.set(second, { rows: [...rows], instances })
        else {
          for (const row of rows) known.rows.push(row)
          known.instances += instances
        }
      }
      const merged = [...sums].map(([second, { rows, instances }]): Tick => [second, mergeRows(rows), instances])
      await this.exchange.publish(pending, packTicks(merged.sort(([a], [b]) => a - b)))
    } catch (error) {
      // The next turn sums up these as well.
      ifUnavailable(error)
    }
  }

  private take(sum: string, isNext: boolean): void {
    const ticks = unpackTicks(sum)
    const last = ticks.at(-1)?.[0]
    if (last === undefined) return
    if (!isNext) this.history.startAnew(last)
    for (const [second, rows, instances] of ticks) this.history.add(second, rows, instances)
    // An instance may send its tick of the last second after this sum.
    this.history.completeUntil(last)
  }

  /** Keeps what is not sent within bounds. */
  private bound(now: number): void {
    if (this.unsent.size <= MAX_SINGLE) return
    for (const [second, rows] of [...this.unsent]) {
      const coarse = second - (second % COARSE_SECONDS)
      if (second > now - MAX_SINGLE || (coarse === second && second >= now - MAX_AGE_SECONDS)) continue
      this.unsent.delete(second)
      if (second < now - MAX_AGE_SECONDS) continue
      this.unsent.set(coarse, mergeRows([...(this.unsent.get(coarse) ?? []), ...rows]))
    }
  }
}

function ifUnavailable(error: unknown): void {
  // The store logs its own outage, once.
  if (!(error instanceof StoreUnavailable)) throw error
}
