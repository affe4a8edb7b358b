import { useEffect } from 'preact/hooks'
import { counted, listed } from '../format.ts'
import { liveInstances, refresh, refreshFleet, services } from '../live/live.ts'
import type { Action, Done, Drains } from './action.ts'

/** Interval at which the state is read while a change is not complete, ms. */
const LOOK_MS = 500

/** How a change goes: how many instances have it in force, and what is still in flight at what it drains. */
export function Progress({
  action,
  done,
  drains,
  undo,
  close,
}: {
  action: Action
  done: Done
  drains: Drains
  /** Goes the way back from an action. */
  undo: (way: Action, from: Action) => Promise<void>
  close: () => void
}) {
  const all = liveInstances.value
  const applied = all.filter(({ appliedRevision }) => appliedRevision >= done.revision)
  const lagging = all.filter((instance) => !applied.includes(instance)).map(({ name }) => name)
  const waits = standingsOf(action.service, drains, done.revision)
  const drained = waits.filter(({ isDrained }) => isDrained)
  // Without an instance, they have not been read yet.
  const isOver = all.length > 0 && lagging.length === 0 && drained.length === waits.length
  useEffect(() => {
    if (isOver) return
    const timer = setInterval(() => {
      refresh(action.service)
      refreshFleet()
    }, LOOK_MS)
    return () => clearInterval(timer)
  }, [isOver, action.service])
  const wayBack = done.changed ? (action.undo?.() ?? null) : null
  return (
    <div class="progress">
      <h2 id="action-title">{action.title}</h2>
      <ul class="steps" aria-live="polite">
        <Step isDone={all.length > 0 && lagging.length === 0}>
          {done.changed ? `Revision ${done.revision}` : `Nothing had to be changed (revision ${done.revision})`}: in
          force at {applied.length} of {counted(all.length, 'instance')}
          {lagging.length > 0 && `; waiting for ${listed(lagging)}`}
        </Step>
        {waits.map(({ name, inFlight, isDrained }) => (
          <Step key={name} isDone={isDrained}>
            {isDrained ? `${name} is drained` : `${name}: ${counted(inFlight, 'request')} in flight`}
          </Step>
        ))}
      </ul>
      <p class="muted">{isOver ? 'Complete.' : 'It goes on by itself; you may close this.'}</p>
      <div class="buttons">
        {wayBack !== null && (
          <button type="button" onClick={() => undo(wayBack, action)}>
            Undo
          </button>
        )}
        <button type="button" class="primary" onClick={close} autofocus>
          Close
        </button>
      </div>
    </div>
  )
}

function Step({ isDone, children }: { isDone: boolean; children: preact.ComponentChildren }) {
  return (
    <li class={isDone ? 'done' : 'waits'}>
      <i aria-hidden="true">{isDone ? '✓' : '…'}</i> {children}
    </li>
  )
}

/** `revision`: that of the change; until it has been read, the pools may still have the shares from before. */
function standingsOf(service: string, { pools, servers }: Drains, revision: number) {
  const { pools: found = [], revision: known = 0 } = services.value?.get(service) ?? {}
  const ofPools = found
    .filter(({ name, share }) => pools.includes(name) && (share === 0 || known < revision))
    .map(({ name, drained, inFlight }) => ({ name, isDrained: drained, inFlight }))
  const ofServers = servers.flatMap(({ pool, name }) => {
    const server = found.find((each) => each.name === pool)?.servers.find((each) => each.name === name)
    return server === undefined ? [] : [{ name, isDrained: server.drained, inFlight: server.inFlight }]
  })
  return [...ofPools, ...ofServers]
}
