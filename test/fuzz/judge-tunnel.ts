import type { Answer } from './client.ts'
import { demand } from './demand.ts'
import type { PlannedExchange, PlannedTunnel } from './plan.ts'
import { show } from './wire.ts'

/** Demands that each end of a tunnel received all that the other sent, or, after a reset, the beginning of it. */
export function demandTunnelled(
  exchange: PlannedExchange,
  { toClient, toServer, end }: PlannedTunnel,
  answer: Answer,
  atClient: Buffer,
  atServer: Buffer,
): void {
  const ends = [
    ['client', atClient, toClient],
    ['server', atServer, toServer],
  ] as const
  for (const [who, seen, sent] of ends) {
    const isRight = end.how === 'fin' ? seen.equals(sent) : sent.subarray(0, seen.length).equals(seen)
    demand(isRight, exchange, `has a tunnel where the ${who} got ${show(seen)} instead of ${show(sent)}`, answer)
  }
}
