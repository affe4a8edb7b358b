import { isDeepStrictEqual } from 'node:util'
import type { HistoryEntry, JsonValue } from '../../src/model/state.ts'
import { SNAPSHOT_HISTORY } from '../../src/store/store.ts'

/** As many entries the store keeps of one service; of more, the oldest are not there to be judged. */
const KEPT = 1_000
const ROUTING = new Set(['switch', 'shift', 'rollback'])
/** What changes servers alone leaves the split as it is. */
const OF_SERVERS = new Set(['drain', 'enable', 'maint', 'weight', 'maxConnections'])

/** What is not as in a history that one command after the other has made. */
export function judgeHistory(histories: Readonly<Record<string, readonly HistoryEntry[]>>, revision: number): string[] {
  return [
    ...Object.entries(histories).flatMap(([service, entries]) => judgeService(service, entries)),
    ...judgeRevisions(Object.values(histories).flat(), revision, forgottenUntil(Object.values(histories))),
  ]
}

/**
 * The revision before which entries may be missing: a store that was emptied is filled again with the newest entries of each
 * service, and no others.
 */
export function forgottenUntil(histories: readonly (readonly HistoryEntry[])[]): number {
  const full = histories.filter((entries) => entries.length >= SNAPSHOT_HISTORY)
  return Math.max(0, ...full.map((entries) => entries.at(-1)?.revision ?? 0))
}

function judgeService(service: string, newestFirst: readonly HistoryEntry[]): string[] {
  if (newestFirst.length >= KEPT) return [`the history of ${service} is too long to be judged`]
  const entries = newestFirst.toReversed()
  const broken: string[] = []
  let split: JsonValue = null
  for (const [i, entry] of entries.entries()) {
    const before = entries[i - 1]
    if (before !== undefined && before.revision >= entry.revision) {
      broken.push(`in the history of ${service} revision ${entry.revision} comes after ${before.revision}`)
    }
    if (ROUTING.has(entry.action)) {
      if (split !== null && !isDeepStrictEqual(split, entry.from)) {
        const [was, is] = [split, entry.from].map((each) => JSON.stringify(each))
        broken.push(`revision ${entry.revision} of ${service} goes on from the split ${is}, not from ${was} before it`)
      }
      split = entry.to
    } else if (!OF_SERVERS.has(entry.action)) split = null
  }
  return broken
}

/** Every revision from `forgotten` up to the one in force is there, and each was made by one command. */
function judgeRevisions(entries: readonly HistoryEntry[], revision: number, forgotten: number): string[] {
  const byRevision = Map.groupBy(entries, (entry) => entry.revision)
  const broken: string[] = []
  for (const [made, all] of byRevision) {
    const [first] = all
    const isOne = all.every(({ at, by, reason }) => at === first?.at && by === first.by && reason === first.reason)
    if (!isOne) broken.push(`revision ${made} was made by several: ${all.map(({ reason }) => reason).join(', ')}`)
    if (made > revision) broken.push(`revision ${made} is in the history, and ${revision} is in force`)
  }
  const missing = Array.from({ length: revision }, (_, i) => i + 1).filter(
    (each) => each >= forgotten && !byRevision.has(each),
  )
  if (missing.length > 0) broken.push(`the history says nothing of ${missing.join(', ')}; ${revision} is in force`)
  return broken
}
