import type { ChaosResult } from './chaos.ts'

/** How soon after all is undone the instances have to be equal, in the full form. */
export const EQUAL_MS = 2_000
const EXAMPLES = 5

/** Everything that was not as promised, in words; empty when all was. */
export function brokenIn(result: ChaosResult, equalMs = EQUAL_MS): string[] {
  const { unexplained, lies, wrong, equalAfterMs } = result
  const failures = unexplained.slice(0, EXAMPLES).map(({ id, service, cause }) => `${id} to ${service}: ${cause}`)
  const seen = lies.slice(0, EXAMPLES).map(({ claim, request }) => {
    const since = request.at - claim.at
    const how = since > 0 ? `had ${request.id} ${since.toFixed(1)} ms after` : `still had ${request.id} when`
    return `${request.server} ${how} ${claim.said} said it was drained (left out: ${claim.leftOut.join() || 'nobody'})`
  })
  return [
    ...(unexplained.length > 0 ? [`${unexplained.length} requests failed that nothing explains, such as`] : []),
    ...failures.map((each) => `  ${each}`),
    ...(lies.length > 0 ? [`${lies.length} requests were at servers that were said to be drained, such as`] : []),
    ...seen.map((each) => `  ${each}`),
    ...wrong,
    ...(equalAfterMs !== null && equalAfterMs <= equalMs
      ? []
      : [`the instances were equal only after ${equalAfterMs} ms`]),
  ]
}

/** The figures, for people. */
export function report(result: ChaosResult): string {
  const { seconds, disturbances, sent, completed, explained, unexplained, writes, claims, claimsJudged, lies } = result
  const { p50Ms, p99Ms, slowestMs } = result.latency
  const list = (counts: Readonly<Record<string, number>>) =>
    Object.entries(counts)
      .map(([name, count]) => `${name} ${count}`)
      .join(', ')
  const broken = Object.values(explained).reduce((sum, count) => sum + count, 0)
  const lines: [string, string][] = [
    ['time', `${seconds.toFixed(0)} s`],
    ['disturbances', list(disturbances)],
    ['requests', `${sent.toLocaleString('en-US')}, answered ${completed.toLocaleString('en-US')}`],
    ['failures', String(unexplained.length)],
    ['broken with what held them', `${broken}${broken === 0 ? '' : ` (${list(explained)})`}`],
    ['writes', list(writes)],
    ['lost or wrong writes', String(result.wrong.length)],
    ['answers that said drained', `${claims}, judged ${claimsJudged}`],
    ['lies of drained', String(lies.length)],
    ['all equal after', result.equalAfterMs === null ? 'never' : `${result.equalAfterMs.toFixed(0)} ms`],
    ['latency', `p50 ${p50Ms.toFixed(1)} ms, p99 ${p99Ms.toFixed(1)} ms, slowest ${slowestMs.toFixed(0)} ms`],
  ]
  return lines.map(([name, value]) => `${name.padEnd(28)}${value}`).join('\n')
}
