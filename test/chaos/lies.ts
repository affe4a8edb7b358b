import type { HistoryEntry } from '../../src/model/state.ts'
import type { Served } from './apps-process.ts'
import { type Claim, commandNumber } from './operator.ts'

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
  histories: Readonly<Record<string, readonly HistoryEntry[]>>,
  isExplained: (id: string) => boolean,
): ClaimsJudged {
  const byServer = Map.groupBy(served, ({ server }) => server)
  const lies: Lie[] = []
  let judged = 0
  for (const claim of claims) {
    if (wasOvertaken(claim, histories[claim.service] ?? [])) continue
    judged++
    for (const request of claim.servers.flatMap((server) => byServer.get(server) ?? [])) {
      if (!isAgainst(claim, request) || isExplained(request.id)) continue
      lies.push({ claim, request })
    }
  }
  return { lies, judged }
}

function isAgainst({ at, until, leftOut }: Claim, request: Served): boolean {
  // Where two have the same name, their addresses stand behind it.
  if (leftOut.some((name) => name.split(' ')[0] === request.via)) return false
  const cameLater = request.at > at && request.at < until
  const wasUnderWay = request.at <= at && request.until !== null && request.until > at
  return cameLater || wasUnderWay
}

/** A command that was given before, and of which nobody knew whether it was made, may have been made after it. */
function wasOvertaken({ service, revision, afterCommand }: Claim, entries: readonly HistoryEntry[]): boolean {
  return entries.some((entry) => {
    const number = entry.revision > revision ? commandNumber(service, entry.reason) : null
    return number !== null && number <= afterCommand
  })
}
