import type { HistoryEntry } from '../../src/model/state.ts'
import type { Attempt } from '../support/ledger.ts'
import type { Served } from './apps-process.ts'
import type { Claim } from './operator.ts'

export interface Lie {
  readonly claim: Claim
  readonly request: Served
}

export interface ClaimsJudged {
  /** Requests that a server had after an answer said it was drained, or was still busy with. */
  readonly lies: readonly Lie[]
  /** How many claims there was something to hold against. */
  readonly judged: number
}

/**
 * Holds what was said to be drained against what the servers have seen. `isExplained`: of requests by id whose connection
 * was killed, and of whose end at the server nobody could know.
 */
export function judgeClaims(
  claims: readonly Claim[],
  served: readonly Served[],
  attempts: readonly Attempt[],
  histories: Readonly<Record<string, readonly HistoryEntry[]>>,
  isExplained: (id: string) => boolean,
): ClaimsJudged {
  const orders = new Map(attempts.map(({ reason }, i) => [reason, i]))
  const byServer = Map.groupBy(served, ({ server }) => server)
  const lies: Lie[] = []
  let judged = 0
  for (const claim of claims) {
    if (wasOvertaken(claim, histories[claim.service] ?? [], orders)) continue
    judged++
    for (const request of claim.servers.flatMap((server) => byServer.get(server) ?? [])) {
      if (!isAgainst(claim, request) || isExplained(request.id)) continue
      lies.push({ claim, request })
    }
  }
  return { lies, judged }
}

function isAgainst({ at, until, leftOut }: Claim, request: Served): boolean {
  if (leftOut.includes(request.via)) return false
  const cameLater = request.at > at && request.at < until
  const wasUnderWay = request.at <= at && request.until !== null && request.until > at
  return cameLater || wasUnderWay
}

/** A command that was given before, and of which nobody knew whether it was made, may have been made after it. */
function wasOvertaken(
  { revision, reason }: Claim,
  entries: readonly HistoryEntry[],
  orders: ReadonlyMap<string, number>,
): boolean {
  const own = orders.get(reason) ?? 0
  return entries.some((entry) => {
    if (entry.revision <= revision || entry.reason === null) return false
    const order = orders.get(entry.reason)
    return order !== undefined && order < own
  })
}
