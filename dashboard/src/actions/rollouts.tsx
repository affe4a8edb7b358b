import { signal } from '@preact/signals'
import type { Rollout, RolloutPlan, RolloutWritten } from '../../../src/client/create-client.ts'
import { percent } from '../format.ts'
import { client } from '../live/session.ts'
import { type Action, type Done, type How, optionsOf } from './action.ts'
import { PercentField, percentProblem } from './percent-field.tsx'
import { poolNow, readiness, serviceNow } from './sentences.ts'

type Verb = 'pause' | 'resume' | 'promote' | 'skip' | 'back' | 'abort' | 'retry'

/** What each verb does, said to somebody who is about to press it. */
const SENTENCES: Readonly<Record<Verb, (rollout: Rollout) => string>> = {
  pause: ({ to, weight }) =>
    `It stays at ${percent(weight.set)} for ${to} until it is resumed. The judge goes on, and may still abort it.`,
  resume: ({ step }) => `It goes on with step ${step.index} of ${step.of}.`,
  promote: ({ to }) =>
    `The present step counts as passed, whatever the figures say; the next one follows. After the last one ${to} has all requests.`,
  skip: ({ step }) => `Step ${step.index} of ${step.of} is left as if it had passed.`,
  back: ({ to }) => `${to} gets the share that it had before the present one, and is judged with that.`,
  abort: ({ from, to }) => `${from} gets all requests again at once; those in flight at ${to} end by themselves.`,
  retry: ({ to, step, state }) =>
    state === 'Aborted'
      ? `It starts again from its first step, towards ${to}.`
      : `Step ${step.index} of ${step.of} begins again, with new evidence.`,
}

const LABELS: Readonly<Record<Verb, string>> = {
  pause: 'Pause',
  resume: 'Resume',
  promote: 'Promote this step',
  skip: 'Skip this step',
  back: 'Go a step back',
  abort: 'Abort',
  retry: 'Retry',
}

/** One of the verbs of a rollout. */
export function rolloutVerb(rollout: Rollout, verb: Verb): Action {
  const { service, id, from, to } = rollout
  const label = verb === 'retry' && rollout.state !== 'Aborted' ? 'Begin this step again' : LABELS[verb]
  return {
    title: `${label}: rollout of ${service}`,
    service,
    verb: () => label,
    consequences: () => [SENTENCES[verb](rollout)],
    run: (how) => client.value.rollouts[verb](service, id, optionsOf(how)),
    ...(verb === 'abort' ? { drains: () => ({ pools: [to], servers: [] }) } : {}),
    ...(verb === 'pause' ? { undo: () => rolloutVerb({ ...rollout, from }, 'resume') } : {}),
  }
}

/** Gives the canary another share within the present step. */
export function setWeight(rollout: Rollout): Action {
  const { service, id, to, from, weight } = rollout
  const wanted = signal(weight.set)
  return {
    title: `Set the weight: rollout of ${service}`,
    service,
    verb: () => `Give ${to} ${percent(wanted.value)}`,
    fields: () => <PercentField value={wanted} />,
    obstacle: () => percentProblem(wanted.value),
    consequences: () => {
      const pool = poolNow(service, to)
      return [
        `${to} gets ${percent(wanted.value)} of the new requests instead of ${percent(weight.set)}; ${from} ${percent(100 - wanted.value)}.`,
        ...(pool === undefined ? [] : [readiness(pool)]),
      ]
    },
    run: (how) => client.value.rollouts.setWeight(service, id, { percent: wanted.value, ...optionsOf(how) }),
  }
}

/** Gives all requests to the canary now. */
export function promoteFully(rollout: Rollout): Action {
  const { service, id, to, from } = rollout
  return {
    title: `Promote ${to} fully`,
    service,
    verb: () => `Give ${to} everything`,
    consequences: () => {
      const pool = poolNow(service, to)
      return [
        `${to} gets all new requests now; no step is judged any more.`,
        ...(pool === undefined ? [] : [readiness(pool)]),
      ]
    },
    run: (how) => client.value.rollouts.promote(service, id, { full: true, ...optionsOf(how) }),
    drains: () => ({ pools: [from], servers: [] }),
  }
}

/** Approves or rejects what the rollout waits for. */
export function decideGate(rollout: Rollout, gate: string, isApproved: boolean): Action {
  const { service, id, from } = rollout
  return {
    title: `${isApproved ? 'Approve' : 'Reject'} “${gate}”`,
    service,
    verb: () => (isApproved ? 'Approve' : 'Reject'),
    consequences: () => [
      isApproved
        ? 'The rollout goes on with its next step.'
        : `The rollout is aborted: ${from} gets all requests again.`,
    ],
    run: (how: How): Promise<Done> =>
      client.value.rollouts[isApproved ? 'approve' : 'reject'](service, id, gate, optionsOf(how)),
  }
}

const STRATEGIES = {
  canary: 'canary: 5, 25, 50, 98 %, each judged',
  blueGreen: 'blue/green: one switch, then watched',
  rolling: 'rolling: server by server',
} as const

/** Starts a rollout to the pool without a share. */
export function startRollout(service: string): Action {
  const { pools } = serviceNow(service)
  const targets = pools.filter(({ share }) => share === 0).map(({ name }) => name)
  const to = signal(targets[0] ?? '')
  const strategy = signal<keyof typeof STRATEGIES>('canary')
  const plan = signal<RolloutPlan | string | null>(null)
  const look = async (): Promise<void> => {
    plan.value = null
    const options = { to: to.value, strategy: strategy.value }
    try {
      plan.value = (await client.value.rollouts.start(service, { ...options, dryRun: true })) as RolloutPlan
    } catch (error) {
      plan.value = (error as Error).message
    }
  }
  if (to.value !== '') void look()
  return {
    title: `Roll ${service} out`,
    service,
    verb: () => `Start the rollout to ${to.value}`,
    obstacle: () => (to.value === '' ? 'Every pool has a share already; a rollout needs one without.' : null),
    fields: () => (
      <>
        {targets.length > 1 && (
          <label class="field">
            <span>To</span>
            <select
              value={to.value}
              onChange={({ currentTarget }) => {
                to.value = currentTarget.value
                void look()
              }}
            >
              {targets.map((name) => (
                <option key={name}>{name}</option>
              ))}
            </select>
          </label>
        )}
        <label class="field">
          <span>Strategy</span>
          <select
            value={strategy.value}
            onChange={({ currentTarget }) => {
              strategy.value = currentTarget.value as keyof typeof STRATEGIES
              void look()
            }}
          >
            {Object.entries(STRATEGIES).map(([name, text]) => (
              <option key={name} value={name}>
                {text}
              </option>
            ))}
          </select>
        </label>
      </>
    ),
    consequences: () => {
      const { value } = plan
      if (value === null) return ['Asking what it would do…']
      if (typeof value === 'string') return [value]
      const pool = poolNow(service, to.value)
      return [
        ...(pool === undefined ? [] : [readiness(pool)]),
        `Steps: ${value.rollout.steps.map(({ text }) => text).join('; ')}.`,
        ...value.remarks,
      ]
    },
    run: async (how) => {
      const options = { to: to.value, strategy: strategy.value, ...optionsOf(how) }
      return (await client.value.rollouts.start(service, options)) as RolloutWritten
    },
  }
}
