import { caveats, count, instant, listOf, names, object, ref, revision, type Schema, text } from './schema-parts.ts'

const number: Schema = { type: 'number' }
const maybeNumber: Schema = { type: ['number', 'null'] }
const maybeText: Schema = { type: ['string', 'null'] }
const counted = object({ requests: count, bad: count })
const KINDS = ['waitHealthy', 'route', 'mirror', 'hook', 'setWeight', 'pause', 'analysis', 'healthGate']

/** The answers of the routes of rollouts. */
export const rolloutAnswers = {
  Rollout: object({
    id: text,
    service: text,
    from: { ...text, description: 'The stable pool.' },
    to: { ...text, description: 'The canary.' },
    state: {
      enum: [
        ...['Pending', 'Initializing', 'Progressing', 'Paused', 'Promoting', 'Watching'],
        ...['Succeeded', 'Aborting', 'Aborted', 'Superseded'],
      ],
    },
    reason: { ...maybeText, description: 'Why it is paused, or was aborted.' },
    detail: { ...maybeText, description: 'The same for people, with figures.' },
    strategy: text,
    step: object({
      index: { ...count, description: 'From 1.' },
      of: count,
      kind: { enum: [...KINDS, null] },
      attempt: count,
      since: instant,
      soakSeconds: { ...count, description: "Seconds of it in which the fleet's counts were known." },
      gate: { ...maybeText, description: 'The gate that waits for an approval.' },
    }),
    steps: { type: 'array', items: object({ index: count, kind: { enum: KINDS }, text }) },
    weight: object({
      set: { ...number, description: 'Share of the canary, percent.' },
      measured: { ...maybeNumber, description: 'Share of the requests that it got, percent; null = there were none.' },
      drift: { enum: ['ok', 'more', 'less'], description: 'Whether the canary gets more or less than its weight.' },
    }),
    convergence: object({ applied: { type: 'boolean' }, lagging: names }),
    leader: { ...maybeText, description: 'Name of the instance that runs it.' },
    epoch: { ...count, description: "Number of the leader's lease." },
    metrics: listOf('RolloutMetric'),
    waitingFor: maybeText,
    findableRatio: {
      ...maybeNumber,
      description: 'The smallest ratio of bad requests that the current step can find at this rate.',
    },
    by: text,
    note: maybeText,
    startedAt: instant,
    endedAt: { type: ['string', 'null'], format: 'date-time' },
  }),
  RolloutMetric: object({
    name: text,
    kind: { enum: ['errorRate', 'latency', 'web'] },
    canary: counted,
    stable: counted,
    ratio: { ...maybeNumber, description: 'Share of bad requests, canary to stable.' },
    evidence: { ...number, description: 'That the canary is worse; it fails when this reaches the threshold.' },
    threshold: number,
    verdict: { enum: ['none', 'ok', 'failed', 'overMax'] },
    thresholdMs: { ...maybeNumber, description: 'latency: slower requests are bad.' },
    value: { ...maybeNumber, description: 'web: the last measurement.' },
    problem: { ...maybeText, description: 'web: why it could not be measured.' },
  }),
  Rollouts: object({ revision, rollouts: listOf('Rollout') }, caveats),
  RolloutShown: object({ revision, rollout: ref('Rollout') }, caveats),
  GateLinks: object({ approve: text, reject: text, expiresAt: instant }),
  RolloutPlan: object({
    revision,
    dryRun: { const: true },
    rollout: ref('Rollout'),
    remarks: { ...names, description: 'What each comparison could find at the rate of the last minutes.' },
  }),
}
