import type { Rollout, RolloutMetric } from '../../../src/client/create-client.ts'
import { ago, count, counted, milliseconds, share } from '../format.ts'
import type { Level } from '../live/standing.ts'
import { isOver } from '../live/standing.ts'
import { Chip } from '../parts/chip.tsx'
import { now } from '../parts/now.ts'

const VERDICTS: Readonly<Record<RolloutMetric['verdict'], readonly [Level, string]>> = {
  none: ['info', 'not enough known'],
  ok: ['ok', 'no worse'],
  failed: ['bad', 'worse'],
  overMax: ['bad', 'over its limit'],
}

const KINDS: Readonly<Record<Rollout['steps'][number]['kind'], string>> = {
  waitHealthy: 'wait for',
  route: 'route',
  mirror: 'mirror',
  hook: 'ask',
  setWeight: 'weight',
  pause: 'pause',
  analysis: 'analysis',
  healthGate: 'health gate',
}

/** What is known of one comparison: how far the evidence is from the threshold. */
export function Evidence({ metric, rollout }: { metric: RolloutMetric; rollout: Rollout }) {
  const { name, kind, canary, stable, evidence, threshold, verdict, thresholdMs, value, problem } = metric
  const [level, text] = VERDICTS[verdict]
  const part = partOf(evidence, threshold)
  return (
    <div class="panel evidence">
      <p>
        <b>{name}</b> <Chip level={level}>{text}</Chip>{' '}
        {thresholdMs !== null && <span class="muted">slower than {milliseconds(thresholdMs)} is bad</span>}
      </p>
      {kind === 'web' ? (
        <p>{problem === null ? `measured: ${value ?? '–'}` : `cannot be measured: ${problem}`}</p>
      ) : (
        <>
          <div class="evidence-bar">
            <meter
              min={0}
              max={1}
              value={part}
              aria-label={`Evidence that ${rollout.to} is worse, of the threshold`}
              class={level}
            />
            <span class="muted">
              evidence {number(evidence)} of {number(threshold)}, on a logarithmic scale
            </span>
          </div>
          <p class="muted">
            {rollout.to}: {count(canary.bad)} bad of {counted(canary.requests, 'request')} ({share(ratio(canary))}) ·{' '}
            {rollout.from}: {count(stable.bad)} of {count(stable.requests)} ({share(ratio(stable))})
          </p>
        </>
      )}
    </div>
  )
}

/** The steps of a rollout, and where it is. */
export function Steps({ rollout }: { rollout: Rollout }) {
  const { steps, step, state } = rollout
  const isDone = (index: number): boolean => state === 'Succeeded' || state === 'Watching' || index < step.index
  return (
    <ol class="rollout-steps">
      {steps.map(({ index, kind, text }) => {
        const isNow = !isOver(rollout) && index === step.index
        return (
          <li
            key={index}
            class={isNow ? 'now' : isDone(index) ? 'done' : 'to-come'}
            aria-current={isNow ? 'step' : undefined}
          >
            <i aria-hidden="true">{isDone(index) ? '✓' : isNow ? '▸' : '·'}</i>
            <span>
              {text.startsWith(kind) || kind === 'pause' ? text : `${KINDS[kind]} ${text}`}
              {isNow && (
                <span class="muted">
                  {' '}
                  since {ago(step.since, now.value)}
                  {step.attempt > 1 ? `, attempt ${step.attempt}` : ''}
                  {kind === 'analysis' ? `, judged for ${Math.round(step.soakSeconds)} s` : ''}
                </span>
              )}
            </span>
          </li>
        )
      })}
    </ol>
  )
}

/** Odds are compared by their magnitude: evidence below 1 speaks for the canary. */
function partOf(evidence: number, threshold: number): number {
  if (threshold <= 1 || evidence <= 1) return 0
  return Math.min(1, Math.log(evidence) / Math.log(threshold))
}

function number(value: number): string {
  return value < 10 ? value.toFixed(1) : count(value)
}

function ratio({ requests, bad }: { readonly requests: number; readonly bad: number }): number | null {
  return requests === 0 ? null : bad / requests
}
