import type { Rollout, RolloutMetric } from '../../../client/create-client.ts'
import { spoken } from '../../durations.ts'
import { bar, evidenceShare } from '../../output/bar.ts'
import type { Paint } from '../../output/paint.ts'
import { tableLines } from '../../output/table.ts'
import { harmless, wrapped } from '../../output/text.ts'
import { figure, lookOf, MARKS, percent, stateOf } from './words.ts'

const LABEL_COLUMNS = 12
const BAR_COLUMNS = 24

export interface TreeContext {
  readonly paint: Paint
  readonly columns: number
  readonly nowMs: number
}

/** Lines that show a rollout as a tree: what it is, its steps, and the evidence of each metric. */
export function rolloutTree(rollout: Rollout, context: TreeContext): string[] {
  return [...head(rollout, context), '', ...steps(rollout, context), ...metrics(rollout, context)]
}

function head(rollout: Rollout, { paint, columns, nowMs }: TreeContext): string[] {
  const { service, id, from, to, strategy, by, note, weight, convergence, leader, epoch } = rollout
  const { mark, ink } = lookOf(rollout)
  const ago = spoken(Math.max(0, nowMs - Date.parse(rollout.startedAt)))
  const took = rollout.endedAt === null ? '' : `, took ${spoken(tookMs(rollout))}`
  const began = `${strategy}, by ${harmless(by)} ${ago} ago${took}${note === null ? '' : `: ${harmless(note)}`}`
  const drift = weight.drift === 'ok' ? '' : paint('yellow', ` (the canary gets ${weight.drift} than that)`)
  const measured = weight.measured === null ? '' : `, ${percent(weight.measured)} measured`
  const lines: [label: string, text: string][] = [
    ['Service', paint('bold', service)],
    ['Rollout', `${paint('bold', id)}  ${from} → ${to}`],
    ['', began],
    ['State', paint(ink, `${mark} ${stateOf(rollout)}`)],
  ]
  for (const [label, text] of [
    ['Because', rollout.waitingFor === rollout.detail ? null : rollout.detail],
    ['Waits for', rollout.waitingFor],
  ] as const) {
    if (text === null || rollout.state === 'Superseded') continue
    for (const [i, line] of wrapped(harmless(text), columns - LABEL_COLUMNS).entries())
      lines.push([i === 0 ? label : '', line])
  }
  lines.push(['Weight', `${percent(weight.set)} set${measured}${drift}`])
  if (rollout.endedAt === null) {
    const lagging = convergence.lagging.map(harmless).join(', ')
    lines.push(['In force', convergence.applied ? 'everywhere' : paint('yellow', `not yet at ${lagging}`)])
    lines.push(['Leader', leader === null ? paint('yellow', 'none at the moment') : `${harmless(leader)}${of(epoch)}`])
  }
  return lines.map(([label, text]) => `${paint('dim', (label === '' ? '' : `${label}:`).padEnd(LABEL_COLUMNS))}${text}`)
}

function of(epoch: number): string {
  return epoch === 0 ? '' : ` (epoch ${epoch})`
}

function tookMs({ startedAt, endedAt }: Rollout): number {
  return endedAt === null ? 0 : Date.parse(endedAt) - Date.parse(startedAt)
}

function steps(rollout: Rollout, { paint }: TreeContext): string[] {
  const { step, state } = rollout
  // Past the last step, it is promoted and watched.
  const isPast = step.kind === null
  const look = lookOf(rollout)
  const texts = rollout.steps.map(({ index, text }) => {
    const shown = harmless(text)
    if (isPast || index < step.index) return `${paint('green', MARKS.done)} ${shown}`
    if (index > step.index) return paint('dim', `${MARKS.coming} ${shown}`)
    return `${paint(look.ink, look.mark)} ${paint('bold', shown)}${currentStep(rollout)}`
  })
  const isAllDone = state === 'Succeeded'
  const promotion = 'promotion: all requests, watched'
  const last = isAllDone
    ? `${paint('green', MARKS.done)} ${promotion}`
    : isPast
      ? `${paint(look.ink, look.mark)} ${paint('bold', promotion)}`
      : paint('dim', `${MARKS.coming} ${promotion}`)
  return [paint('bold', 'Steps'), ...branches([...texts, last], paint)]
}

/** What is to be said of the current step. */
function currentStep({ step, findableRatio, endedAt }: Rollout): string {
  const parts = [
    ...(step.attempt > 1 ? [`attempt ${step.attempt}`] : []),
    ...(step.kind === 'analysis' ? [`${step.soakSeconds} s counted`] : []),
    ...(findableRatio === null ? [] : [`finds ×${findableRatio} and worse at this rate`]),
  ]
  return parts.length === 0 || endedAt !== null ? '' : `  ${parts.join(', ')}`
}

function metrics({ metrics: all }: Rollout, { paint }: TreeContext): string[] {
  if (all.length === 0) return []
  const compared = all.filter(({ kind }) => kind !== 'web')
  const table = tableLines(compared.map(cells))
  const lines = all.map((metric) => {
    const mark = metric.verdict === 'failed' ? paint('red', MARKS.failed) : marked(metric, paint)
    if (metric.kind === 'web') return `${mark} ${metric.name}  ${harmless(measurement(metric))}`
    const share = evidenceShare(metric.evidence, metric.threshold)
    const ink = share >= 1 ? 'red' : share > 0.5 ? 'yellow' : 'green'
    const evidence = `evidence ${figure(metric.evidence)} of ${figure(metric.threshold)}`
    return `${mark} ${table[compared.indexOf(metric)]}\n  ${paint(ink, bar(share, BAR_COLUMNS))} ${evidence}`
  })
  return ['', paint('bold', 'Metrics'), ...branches(lines, paint)]
}

function cells({ name, kind, canary, stable, ratio, thresholdMs }: RolloutMetric): string[] {
  const what = kind === 'latency' && thresholdMs !== null ? `${name} (over ${thresholdMs} ms)` : name
  return [what, `canary ${counted(canary)}`, `stable ${counted(stable)}`, ratio === null ? '' : `×${ratio}`]
}

function counted({ requests, bad }: RolloutMetric['canary']): string {
  return requests === 0 ? 'no requests' : `${bad} of ${requests} (${percent((100 * bad) / requests)})`
}

function measurement({ value, problem }: RolloutMetric): string {
  if (problem !== null) return problem
  return value === null ? 'not measured yet' : String(value)
}

function marked({ verdict }: RolloutMetric, paint: Paint): string {
  if (verdict === 'overMax') return paint('yellow', MARKS.failed)
  return verdict === 'ok' ? paint('green', MARKS.done) : paint('dim', MARKS.coming)
}

/** The items of a branch of the tree; further lines of an item are set below its first. */
function branches(items: readonly string[], paint: Paint): string[] {
  return items.flatMap((item, i) => {
    const isLast = i === items.length - 1
    const [first = '', ...rest] = item.split('\n')
    return [
      `${paint('dim', isLast ? '└─' : '├─')} ${first}`,
      ...rest.map((line) => `${paint('dim', isLast ? '  ' : '│ ')} ${line}`),
    ]
  })
}
