import type { Rollout } from '../../../src/client/create-client.ts'
import { ask } from '../actions/action.ts'
import { decideGate, promoteFully, rolloutVerb, setWeight, startRollout } from '../actions/rollouts.tsx'
import { ago, dateTime, listed, percent } from '../format.ts'
import { services } from '../live/live.ts'
import { useResource } from '../live/resource.ts'
import { client, mayOperate } from '../live/session.ts'
import { isOver, type Level } from '../live/standing.ts'
import { Chip } from '../parts/chip.tsx'
import { Crumbs } from '../parts/crumbs.tsx'
import { now } from '../parts/now.ts'
import { linkTo } from '../route.ts'
import { Evidence, Steps } from './rollout-evidence.tsx'

/** Interval at which a running rollout is read, ms. */
const LOOK_MS = 2_000
const RECENT = 3
const LEVELS: Readonly<Record<Rollout['state'], Level>> = {
  Pending: 'info',
  Initializing: 'info',
  Progressing: 'info',
  Paused: 'warn',
  Promoting: 'info',
  Watching: 'info',
  Succeeded: 'ok',
  Aborting: 'bad',
  Aborted: 'bad',
  Superseded: 'info',
}
/** The last rollouts of a service. */
export function RecentRollouts({ service, revision }: { service: string; revision: number }) {
  const { value, error } = useResource((signal) => client.value.rollouts.list(service, { signal }), [service], {
    version: revision,
  })
  const rollouts = value?.rollouts ?? []
  const { pools = [] } = services.value?.get(service) ?? {}
  const isIdle = rollouts.every(isOver)
  return (
    <section aria-labelledby="rollouts">
      <h2 id="rollouts">Rollouts</h2>
      {error !== null && <p class="refusal">{error.message}</p>}
      {rollouts.length === 0 && <p class="muted">None yet.</p>}
      <ul class="rollouts">
        {rollouts.slice(0, RECENT).map((rollout) => (
          <li key={rollout.id}>
            <a href={linkTo('services', service, 'rollouts', rollout.id)}>
              {rollout.from} → {rollout.to}
            </a>{' '}
            <Chip level={LEVELS[rollout.state]}>
              {rollout.state}
              {rollout.reason === null ? '' : `: ${rollout.reason}`}
            </Chip>{' '}
            <span class="muted">
              {rollout.strategy}, by {rollout.by}, {dateTime(rollout.startedAt)}
            </span>
          </li>
        ))}
      </ul>
      {mayOperate.value && isIdle && pools.some((pool) => pool.share === 0) && (
        <div class="buttons">
          <button type="button" onClick={() => ask(startRollout(service))}>
            Start a rollout…
          </button>
        </div>
      )}
    </section>
  )
}

/** A rollout: its steps, the evidence against its thresholds, and what it waits for. */
export function RolloutView({ service, id }: { service: string; id: string }) {
  const revision = services.value?.get(service)?.revision
  const { value, error } = useResource((signal) => client.value.rollouts.get(service, id, { signal }), [service, id], {
    everyMs: LOOK_MS,
    version: revision,
  })
  const rollout = value?.rollout
  return (
    <>
      <header class="view-head">
        <Crumbs service={service} />
        <h1 tabIndex={-1}>
          {rollout === undefined ? `Rollout of ${service}` : `Rollout ${rollout.from} → ${rollout.to}`}
        </h1>
      </header>
      {error !== null && <p class="refusal">{error.message}</p>}
      {rollout !== undefined && <RolloutBody rollout={rollout} />}
    </>
  )
}

function RolloutBody({ rollout }: { rollout: Rollout }) {
  const {
    state,
    reason,
    detail,
    weight,
    convergence,
    waitingFor,
    strategy,
    by,
    note,
    startedAt,
    endedAt,
    leader,
    metrics,
  } = rollout
  const end = endedAt === null ? now.value : new Date(endedAt).getTime()
  return (
    <>
      <section class="panel" aria-label="State">
        <p aria-live="polite">
          <Chip level={LEVELS[state]}>
            {state}
            {reason === null ? '' : `: ${reason}`}
          </Chip>{' '}
          {detail}
        </p>
        {waitingFor !== null && waitingFor !== detail && !isOver(rollout) && (
          <p class="waits-for">Waits for: {waitingFor}</p>
        )}
        <dl class="figures large">
          <div>
            <dt>weight of {rollout.to}</dt>
            <dd>{percent(weight.set)}</dd>
          </div>
          <div>
            <dt>measured</dt>
            <dd class={weight.drift === 'ok' ? '' : 'warn-text'}>
              {weight.measured === null ? '–' : percent(weight.measured)}
            </dd>
          </div>
          <div>
            <dt>in force</dt>
            <dd>{convergence.applied ? 'everywhere' : `not at ${listed(convergence.lagging)}`}</dd>
          </div>
          <div>
            <dt>{endedAt === null ? 'runs for' : 'took'}</dt>
            <dd>{ago(startedAt, end)}</dd>
          </div>
        </dl>
        <RolloutActions rollout={rollout} />
        <p class="muted">
          {strategy}, started by {by} {dateTime(startedAt)}
          {leader === null ? '' : `, run by ${leader}`}
          {note === null ? '' : `: ${note}`}
        </p>
      </section>
      {metrics.length > 0 && (
        <section aria-labelledby="evidence">
          <h2 id="evidence">Evidence</h2>
          {metrics.map((metric) => (
            <Evidence key={metric.name} metric={metric} rollout={rollout} />
          ))}
        </section>
      )}
      <section aria-labelledby="steps">
        <h2 id="steps">Steps</h2>
        <Steps rollout={rollout} />
      </section>
    </>
  )
}

function RolloutActions({ rollout }: { rollout: Rollout }) {
  const { state, step } = rollout
  if (!mayOperate.value) return null
  if (isOver(rollout) || state === 'Aborting') {
    return state === 'Aborted' ? (
      <div class="buttons">
        <button type="button" onClick={() => ask(rolloutVerb(rollout, 'retry'))}>
          Retry…
        </button>
      </div>
    ) : null
  }
  const { gate } = step
  const isPastSteps = state === 'Promoting' || state === 'Watching'
  return (
    <fieldset class="buttons">
      <legend class="visually-hidden">Actions</legend>
      {gate !== null && (
        <>
          <button type="button" class="primary" onClick={() => ask(decideGate(rollout, gate, true))}>
            Approve “{gate}”…
          </button>
          <button type="button" onClick={() => ask(decideGate(rollout, gate, false))}>
            Reject…
          </button>
        </>
      )}
      {gate === null &&
        (state === 'Paused' ? (
          <button type="button" class="primary" onClick={() => ask(rolloutVerb(rollout, 'resume'))}>
            Resume…
          </button>
        ) : (
          <button type="button" onClick={() => ask(rolloutVerb(rollout, 'pause'))}>
            Pause…
          </button>
        ))}
      {!isPastSteps && (
        <>
          <button type="button" onClick={() => ask(rolloutVerb(rollout, 'promote'))}>
            Promote this step…
          </button>
          <button type="button" onClick={() => ask(promoteFully(rollout))}>
            Promote fully…
          </button>
        </>
      )}
      <button type="button" class="quiet-danger" onClick={() => ask(rolloutVerb(rollout, 'abort'))}>
        Abort…
      </button>
      {!isPastSteps && <MoreActions rollout={rollout} />}
    </fieldset>
  )
}

/** What is needed less often. */
function MoreActions({ rollout }: { rollout: Rollout }) {
  return (
    <details class="more-actions">
      <summary>More</summary>
      <div class="buttons">
        <button type="button" onClick={() => ask(setWeight(rollout))}>
          Set the weight…
        </button>
        <button type="button" onClick={() => ask(rolloutVerb(rollout, 'skip'))}>
          Skip this step…
        </button>
        <button type="button" onClick={() => ask(rolloutVerb(rollout, 'back'))}>
          Go a step back…
        </button>
        <button type="button" onClick={() => ask(rolloutVerb(rollout, 'retry'))}>
          Begin this step again…
        </button>
      </div>
    </details>
  )
}
