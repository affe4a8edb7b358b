import type { Rollout } from '../model/rollout/rollout.ts'
import { Figures } from '../telemetry/ticks/figures.ts'
import type { Span, TickHistory } from '../telemetry/ticks/tick-history.ts'

/** Counts of both pools under one routing decision. */
export interface Sides {
  readonly canary: Figures
  readonly stable: Figures
}

/** Counts by revision of the routing decision. */
export type CountsByDecision = ReadonlyMap<number, Sides>

type Compared = Pick<Rollout, 'service' | 'from' | 'to' | 'firstDecision'>

/** Sums up what the decisions of a rollout have routed within a span. */
export function countsOf(
  history: TickHistory,
  span: Span,
  { service, from, to, firstDecision }: Compared,
): CountsByDecision {
  const byDecision = new Map<number, Sides>()
  history.sum(span, (row) => {
    if (row.service !== service || row.decision < firstDecision) return null
    if (row.pool !== from && row.pool !== to) return null
    let sides = byDecision.get(row.decision)
    if (sides === undefined) {
      sides = { canary: new Figures(), stable: new Figures() }
      byDecision.set(row.decision, sides)
    }
    return row.pool === to ? sides.canary : sides.stable
  })
  return byDecision
}

/** What came to `before` to make `after`. */
export function difference(after: CountsByDecision, before: CountsByDecision): CountsByDecision {
  return new Map(
    [...after].map(([decision, sides]) => {
      const known = before.get(decision)
      if (known === undefined) return [decision, sides]
      return [decision, { canary: minus(sides.canary, known.canary), stable: minus(sides.stable, known.stable) }]
    }),
  )
}

function minus(after: Figures, before: Figures): Figures {
  const left = new Figures()
  for (const [i, count] of after.counts.entries()) left.counts[i] = Math.max(0, count - (before.counts[i] as number))
  for (const [i, count] of after.durations.entries())
    left.durations[i] = Math.max(0, count - (before.durations[i] as number))
  return left
}

/** The sum over all decisions. */
export function total(counts: CountsByDecision): Sides {
  const sum = { canary: new Figures(), stable: new Figures() }
  for (const { canary, stable } of counts.values()) {
    sum.canary.add(canary)
    sum.stable.add(stable)
  }
  return sum
}
