import { isDeepStrictEqual } from 'node:util'
import type { HistoryEntry } from '../../src/model/state.ts'
import { forgottenUntil, judgeHistory } from './judge-history.ts'
import type { Attempt } from './ledger.ts'

/** What an instance says when all is quiet. */
export interface Standing {
  readonly instance: string
  readonly revision: number
  /** GET /api/services without what differs by nature: health, counts and times. */
  readonly services: unknown
  /** By service, newest first. */
  readonly histories: Readonly<Record<string, readonly HistoryEntry[]>>
}

/** Everything that is not as promised, in words; empty when all is well. */
export function judge(attempts: readonly Attempt[], standings: readonly Standing[]): string[] {
  const [first, ...others] = standings
  if (first === undefined) return ['no instance was left']
  const entries = Object.values(first.histories).flat()
  return [
    ...others.flatMap((other) => judgeEqual(first, other)),
    ...judgeHistory(first.histories, first.revision),
    ...judgeCommands(attempts, entries, first.histories),
    ...judgeOrder(attempts),
    ...judgeConditions(attempts, first.histories),
  ]
}

/** How two instances differ. */
export function judgeEqual(one: Standing, other: Standing): string[] {
  const both = `${one.instance} and ${other.instance}`
  return [
    ...(one.revision === other.revision
      ? []
      : [`${both} are at different revisions, ${one.revision} and ${other.revision}`]),
    ...(isDeepStrictEqual(one.services, other.services) ? [] : [`${both} have different services`]),
    ...(isDeepStrictEqual(one.histories, other.histories) ? [] : [`${both} tell different histories`]),
  ]
}

/** What was acknowledged is there, what was refused is not, and nothing is there twice. */
function judgeCommands(
  attempts: readonly Attempt[],
  entries: readonly HistoryEntry[],
  histories: Standing['histories'],
): string[] {
  const made = revisionsByReason(entries)
  const commands = Map.groupBy(attempts, ({ reason }) => reason)
  const unasked = [...made.keys()].filter((reason) => !commands.has(reason))
  return [
    ...unasked.map((reason) => `${reason} is in the history, and nobody asked for it`),
    ...[...commands]
      .filter(([reason, all]) => made.has(reason) || !mayBeForgotten(all, histories))
      .flatMap(([reason, all]) => judgeCommand(reason, all, made.get(reason) ?? [])),
  ]
}

/** Whether the entry of a command may be missing, see `forgottenUntil`. */
function mayBeForgotten(attempts: readonly Attempt[], histories: Standing['histories']): boolean {
  return Object.entries(histories).some(([service, entries]) =>
    attempts.every(({ what, outcome }) => {
      const isOfService = what.includes(`/services/${service}/`) || what.includes(`service=${service}&`)
      return isOfService && (outcome.kind !== 'acknowledged' || outcome.revision < forgottenUntil([entries]))
    }),
  )
}

function judgeCommand(reason: string, attempts: readonly Attempt[], made: readonly number[]): string[] {
  const { what, key } = attempts[0] as Attempt
  const name = `${reason} (${what}${key === null ? '' : `, key ${key}`})`
  const found = made.length === 0 ? 'not in the history' : `in the history as ${made.join(' and ')}`
  const broken: string[] = []
  if (made.length > 1) broken.push(`${name} was done more than once: it is ${found}`)
  for (const { outcome, instance } of attempts) {
    if (outcome.kind !== 'acknowledged') continue
    const { revision, changed } = outcome
    if (changed === true && made.join() !== String(revision)) {
      broken.push(`${name} was acknowledged by ${instance} as revision ${revision}, and is ${found}`)
    }
  }
  const couldHaveBeen = attempts.some(({ outcome }) => outcome.kind !== 'refused' && !isUnchanged(outcome))
  if (!couldHaveBeen && made.length > 0) {
    const answers = attempts.map(({ outcome }) => (outcome.kind === 'refused' ? outcome.why : 'unchanged'))
    broken.push(`${name} was answered ${answers.join(', ')}, and is ${found}`)
  }
  return broken
}

function isUnchanged(outcome: Attempt['outcome']): boolean {
  return outcome.kind === 'acknowledged' && outcome.changed === false
}

/** A command that was sent after another one was acknowledged has a later revision. */
function judgeOrder(attempts: readonly Attempt[]): string[] {
  // Under a key an answer may be that of an earlier attempt.
  const done = attempts.flatMap((attempt) => {
    const { outcome, key } = attempt
    if (key !== null || outcome.kind !== 'acknowledged' || outcome.changed !== true) return []
    return [{ ...attempt, revision: outcome.revision }]
  })
  const broken: string[] = []
  const byEnd = [...done].sort((a, b) => a.endedAt - b.endedAt)
  let at = 0
  let highest: (typeof done)[number] | undefined
  for (const attempt of [...done].sort((a, b) => a.sentAt - b.sentAt)) {
    for (let ended = byEnd[at]; ended !== undefined && ended.endedAt < attempt.sentAt; ended = byEnd[at]) {
      if (highest === undefined || ended.revision > highest.revision) highest = ended
      at++
    }
    if (highest === undefined || attempt.revision > highest.revision) continue
    broken.push(
      `${attempt.reason} made revision ${attempt.revision}, and was sent after ${highest.reason} had made ${highest.revision}`,
    )
  }
  return broken
}

/** What came with If-Match was done on what its sender had seen: nothing came between for that service. */
function judgeConditions(attempts: readonly Attempt[], histories: Standing['histories']): string[] {
  const conditions = new Map(attempts.map(({ reason, ifMatch }) => [reason, ifMatch]))
  return Object.entries(histories).flatMap(([service, entries]) =>
    entries.flatMap(({ reason, revision }) => {
      const ifMatch = conditions.get(reason ?? '') ?? null
      if (ifMatch === null) return []
      const between = entries.find((entry) => entry.revision > ifMatch && entry.revision < revision)
      if (between === undefined) return []
      return [
        `${reason} with If-Match ${ifMatch} made ${revision} of ${service}, which ${between.revision} had changed`,
      ]
    }),
  )
}

function revisionsByReason(entries: readonly HistoryEntry[]): Map<string, number[]> {
  const made = new Map<string, number[]>()
  for (const { reason, revision } of entries) {
    if (reason === null) continue
    const known = made.get(reason) ?? []
    if (!known.includes(revision)) made.set(reason, [...known, revision])
  }
  return made
}
