import { useEffect } from 'preact/hooks'
import type { Instance } from '../../../src/client/create-client.ts'
import { ago, bytes, count, counted, listed } from '../format.ts'
import { caveats, instances, refreshFleet } from '../live/live.ts'
import { Chip } from '../parts/chip.tsx'
import { now } from '../parts/now.ts'
import { NumberColumn } from '../parts/number-column.tsx'
import { TableFrame } from '../parts/table-frame.tsx'

/** Interval at which figures of the processes are read, ms. */
const LOOK_MS = 5_000

/** The instances: which are alive, what each has in force, and how they are. */
export function FleetView() {
  useEffect(() => {
    refreshFleet()
    const timer = setInterval(refreshFleet, LOOK_MS)
    return () => clearInterval(timer)
  }, [])
  const all = [...instances.value].sort((a, b) => (a.name < b.name ? -1 : 1))
  const live = all.filter((instance) => instance.live)
  const newest = Math.max(...live.map(({ appliedRevision }) => appliedRevision))
  const behind = live.filter(({ appliedRevision }) => appliedRevision < newest)
  return (
    <>
      <header class="view-head">
        <h1 tabIndex={-1}>Fleet</h1>
        <p class="muted" aria-live="polite">
          {counted(live.length, 'instance')} alive of {all.length};{' '}
          {behind.length === 0
            ? `all at revision ${newest}`
            : `${listed(behind.map(({ name }) => name))} behind revision ${newest}`}
        </p>
        <Caveats />
      </header>
      <ul class="instances">
        {all.map((instance) => (
          <InstancePanel key={instance.id} instance={instance} newest={newest} />
        ))}
      </ul>
    </>
  )
}

/** What holds for the whole state. */
export function Caveats() {
  const { stale, overrides = [], leftOut = [] } = caveats.value
  if (!stale && overrides.length === 0 && leftOut.length === 0) return null
  return (
    <ul class="remarks">
      {stale && (
        <li>
          <Chip level="warn">
            The store is away: others may have changed the state meanwhile, and nothing can be changed.
          </Chip>
        </li>
      )}
      {leftOut.length > 0 && (
        <li>
          <Chip level="warn">Out of touch: {listed(leftOut)}. What they have in force is unknown.</Chip>
        </li>
      )}
      {overrides.map(({ instance, what, by }) => (
        <li key={`${instance} ${what}`}>
          <Chip level="warn">
            {instance} has an override: {what} ({by})
          </Chip>
        </li>
      ))}
    </ul>
  )
}

function InstancePanel({ instance, newest }: { instance: Instance; newest: number }) {
  const {
    name,
    self,
    live,
    version,
    appliedRevision,
    startedAt,
    lastSeen,
    store,
    processes,
    configuration,
    cannotFollow,
  } = instance
  return (
    <li class="panel instance">
      <header>
        <h2>{name}</h2>
        {live ? <Chip level="ok">alive</Chip> : <Chip level="bad">silent for {ago(lastSeen, now.value)}</Chip>}
        {live && appliedRevision < newest && <Chip level="warn">behind: revision {appliedRevision}</Chip>}
        {store !== undefined && store.status !== 'ok' && (
          <Chip level={store.status === 'failing' ? 'bad' : 'warn'}>
            store {store.status}
            {store.detail === null ? '' : `: ${store.detail}`}
          </Chip>
        )}
        {configuration.problem !== null && <Chip level="warn">file: {configuration.problem}</Chip>}
        {cannotFollow.map(({ service, problem }) => (
          <Chip key={service} level="bad">
            cannot read {service}: {problem}
          </Chip>
        ))}
        <span class="muted">
          {self ? 'serves this page · ' : ''}version {version} · revision {appliedRevision} · since{' '}
          {ago(startedAt, now.value)}
        </span>
      </header>
      <TableFrame label={`Processes of ${name}`}>
        <table>
          <thead>
            <tr>
              <th scope="col">Process</th>
              <NumberColumn name="Revision" />
              <NumberColumn name="In flight" />
              <NumberColumn name="Connections" />
              <NumberColumn name="CPU" />
              <NumberColumn name="Memory" />
              <NumberColumn name="Loop delay" />
            </tr>
          </thead>
          <tbody>
            {processes.map((each) => (
              <tr key={each.pid}>
                <th scope="row">
                  {each.role} <span class="muted">{each.pid}</span> {each.hung && <Chip level="bad">hung</Chip>}
                </th>
                <td class="number">{each.appliedRevision}</td>
                <td class="number">{count(each.inFlight)}</td>
                <td class="number">{count(each.connections)}</td>
                <td class="number">{Math.round(each.cpuPercent)} %</td>
                <td class="number">{bytes(each.memoryBytes)}</td>
                <td class="number">{each.eventLoopDelayMs.toFixed(1)} ms</td>
              </tr>
            ))}
          </tbody>
        </table>
      </TableFrame>
    </li>
  )
}
