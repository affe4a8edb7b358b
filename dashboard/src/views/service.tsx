import { useEffect } from 'preact/hooks'
import type { Pool, Server, Service, ServiceStats } from '../../../src/client/create-client.ts'
import { ask } from '../actions/action.ts'
import { freeze, pause, resume, stop, unfreeze } from '../actions/modes.tsx'
import { rollback, shift, switchTo } from '../actions/routing.tsx'
import { drain, enable } from '../actions/servers.ts'
import { Charts } from '../charts/charts.tsx'
import { ago, count, milliseconds, percent, rate, share } from '../format.ts'
import { refresh, services, stats } from '../live/live.ts'
import { mayOperate } from '../live/session.ts'
import { readyServers, remarksOf, runningRollout } from '../live/standing.ts'
import { Chip } from '../parts/chip.tsx'
import { now } from '../parts/now.ts'
import { ServerState } from '../parts/server-state.tsx'
import { SplitBar } from '../parts/split-bar.tsx'
import { TableFrame } from '../parts/table-frame.tsx'
import { linkTo } from '../route.ts'
import { RecentChanges } from './history.tsx'
import { RecentRollouts } from './rollouts.tsx'

/** Interval at which the last health checks are read, ms. */
const CHECKS_MS = 3_000

/** A service: its split, pools and servers, what it can be told to do, and how its requests go. */
export function ServiceView({ name }: { name: string }) {
  const service = services.value?.get(name)
  useEffect(() => {
    // Checks that go on as before are no events.
    const timer = setInterval(() => {
      if (document.visibilityState === 'visible') refresh(name)
    }, CHECKS_MS)
    return () => clearInterval(timer)
  }, [name])
  if (services.value === null) return <h1 tabIndex={-1}>{name}</h1>
  if (service === undefined) return <Gone name={name} />
  const figures = stats.value.get(name)
  const remarks = remarksOf(service, figures)
  const rollout = runningRollout(service)
  return (
    <>
      <header class="view-head">
        <p class="crumbs">
          <a href={linkTo()}>Services</a>
        </p>
        <h1 tabIndex={-1}>{name}</h1>
        <p class="muted">
          {[...service.hosts, ...service.paths.filter((path) => path !== '/')].join(', ') || 'any host'}
        </p>
        <ul class="remarks" aria-label="Condition" aria-live="polite">
          {remarks.length === 0 && (
            <li>
              <Chip level="ok">all well</Chip>
            </li>
          )}
          {remarks.map(({ level, text }) => (
            <li key={text}>
              <Chip level={level}>{text}</Chip>
            </li>
          ))}
        </ul>
      </header>
      <section aria-label="Traffic" class="panel">
        <SplitBar pools={service.pools} isLarge />
        <Actions service={service} />
        {rollout !== null && (
          <p>
            <a href={linkTo('services', name, 'rollouts', rollout.id)}>
              Rollout to {rollout.to}: {rollout.state}, {percent(rollout.weight)}
            </a>
          </p>
        )}
      </section>
      <section aria-labelledby="pools">
        <h2 id="pools">Pools</h2>
        {service.pools.map((pool, i) => (
          <PoolPanel key={pool.name} pool={pool} position={i} stats={figures} />
        ))}
      </section>
      <section aria-labelledby="charts">
        <h2 id="charts">Requests by version</h2>
        <Charts service={name} pools={service.pools.map((pool) => pool.name)} />
      </section>
      <RecentRollouts service={name} revision={service.revision} />
      <RecentChanges service={name} revision={service.revision} />
      <p class="more">
        <a href={linkTo('explain', name)}>What would a request get?</a>{' '}
        <a href={linkTo('events', name)}>Events of {name}</a>
      </p>
    </>
  )
}

function Actions({ service: { name, mode, pools, freeze: frozen } }: { service: Service }) {
  if (!mayOperate.value) return null
  return (
    <fieldset class="buttons">
      <legend class="visually-hidden">Actions</legend>
      {pools.length > 1 && (
        <>
          <button type="button" class="primary" onClick={() => ask(switchTo(name))}>
            Switch…
          </button>
          <button type="button" onClick={() => ask(shift(name))}>
            Shift…
          </button>
        </>
      )}
      <button type="button" onClick={() => ask(rollback(name))}>
        Roll back…
      </button>
      {mode === 'serving' ? (
        <button type="button" onClick={() => ask(pause(name))}>
          Pause…
        </button>
      ) : (
        <button type="button" class="primary" onClick={() => ask(resume(name))}>
          Resume…
        </button>
      )}
      <button type="button" onClick={() => ask(frozen === undefined ? freeze(name) : unfreeze(name))}>
        {frozen === undefined ? 'Freeze…' : 'Unfreeze…'}
      </button>
      {mode !== 'stopped' && (
        <button type="button" class="quiet-danger" onClick={() => ask(stop(name))}>
          Stop…
        </button>
      )}
    </fieldset>
  )
}

function PoolPanel({
  pool,
  position,
  stats: figures,
}: {
  pool: Pool
  position: number
  stats: ServiceStats | undefined
}) {
  const { name, version, share: part, up, servers, reportedVersions = [] } = pool
  const ofPool = figures?.pools.find((each) => each.name === name && each.version === version)
  const others = reportedVersions.filter((each) => each !== version)
  return (
    <section class="panel pool" aria-labelledby={`pool-${name}`}>
      <header>
        <h3 id={`pool-${name}`}>
          <i class={`swatch color-${position % 8}`} aria-hidden="true" /> {name}
        </h3>
        {version !== name && version !== '' && <span class="version">{version}</span>}
        <b class="share">{percent(part)}</b>
        <span class={up === 0 && part > 0 ? 'bad-text' : 'muted'}>
          {up} of {readyServers(pool).length} up
        </span>
        <span class="muted">
          {rate(ofPool?.rate ?? 0)} · {share(ofPool?.errorRate ?? null)} errors · p95{' '}
          {milliseconds(ofPool?.p95 ?? null)} · {count(ofPool?.inFlight ?? pool.inFlight)} in flight
        </span>
        {others.length > 0 && <Chip level="warn">reports version {others.join(', ')}</Chip>}
        {mayOperate.value && part < 100 && (
          <button
            type="button"
            onClick={() => ask(switchTo(servers[0]?.service ?? '', name))}
            disabled={servers.length === 0}
          >
            Switch to {name}…
          </button>
        )}
      </header>
      {servers.length === 0 ? (
        <p class="muted">No servers.</p>
      ) : (
        <TableFrame label={`Servers of ${name}`}>
          <table class="servers">
            <thead>
              <tr>
                <th scope="col">Server</th>
                <th scope="col">State</th>
                <th scope="col" class="number">
                  In flight
                </th>
                <th scope="col" class="number">
                  Rate
                </th>
                <th scope="col" class="number">
                  Errors
                </th>
                <th scope="col" class="number">
                  p95
                </th>
                <th scope="col" class="wide-only">
                  Last check
                </th>
                {mayOperate.value && (
                  <th scope="col">
                    <span class="visually-hidden">Actions</span>
                  </th>
                )}
              </tr>
            </thead>
            <tbody>
              {servers.map((server) => (
                <ServerRow
                  key={server.name}
                  server={server}
                  figures={ofPool?.servers.find((each) => each.name === server.name)}
                />
              ))}
            </tbody>
          </table>
        </TableFrame>
      )}
    </section>
  )
}

function ServerRow({
  server,
  figures,
}: {
  server: Server
  figures: ServiceStats['pools'][number]['servers'][number] | undefined
}) {
  const { name, url, weight, effectiveWeight, state, backup, inFlight } = server
  const notes = [
    weight === 1 ? '' : `weight ${weight}`,
    effectiveWeight === undefined ? '' : `slow start, at ${effectiveWeight}`,
    backup ? 'backup' : '',
  ].filter((note) => note !== '')
  return (
    <tr>
      <th scope="row">
        <b>{name}</b>
        <span class="muted url">{url}</span>
        {notes.length > 0 && <span class="muted"> {notes.join(', ')}</span>}
      </th>
      <td>
        <ServerState server={{ ...server, inFlight: figures?.inFlight ?? inFlight }} />
      </td>
      <td class="number">{count(figures?.inFlight ?? inFlight)}</td>
      <td class="number">{rate(figures?.rate ?? 0)}</td>
      <td class="number">{share(figures?.errorRate ?? null)}</td>
      <td class="number">{milliseconds(figures?.p95 ?? null)}</td>
      <td class="wide-only">
        <LastCheck server={server} />
      </td>
      {mayOperate.value && (
        <td class="action">
          {state === 'ready' ? (
            <button type="button" onClick={() => ask(drain(server))} aria-label={`Drain ${name}`}>
              Drain…
            </button>
          ) : (
            state !== 'leaving' && (
              <button type="button" onClick={() => ask(enable(server))} aria-label={`Enable ${name}`}>
                Enable…
              </button>
            )
          )}
        </td>
      )}
    </tr>
  )
}

function LastCheck({ server: { lastProbe } }: { server: Server }) {
  if (lastProbe === null) return <span class="muted">none</span>
  const { ok, status, ms, at, error } = lastProbe
  const passed = `${ago(at, now.value)} ago`
  if (ok) return <span class="muted">{`${status ?? 'ok'} in ${milliseconds(ms)}, ${passed}`}</span>
  return <span class="bad-text">{`${error ?? `status ${status}`}, ${passed}`}</span>
}

function Gone({ name }: { name: string }) {
  return (
    <>
      <h1 tabIndex={-1}>{name}</h1>
      <p class="nothing">
        There is no service of this name. <a href={linkTo()}>All services</a>
      </p>
    </>
  )
}
