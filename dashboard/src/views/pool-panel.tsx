import type { Pool, Server, ServiceStats } from '../../../src/client/create-client.ts'
import { ask } from '../actions/action.ts'
import { switchTo } from '../actions/routing.tsx'
import { drain, enable } from '../actions/servers.ts'
import { ago, count, milliseconds, percent, rate, share, untilCut } from '../format.ts'
import { mayOperate } from '../live/session.ts'
import { inFlightOf, readyServers } from '../live/standing.ts'
import { Chip } from '../parts/chip.tsx'
import { now } from '../parts/now.ts'
import { NumberColumn } from '../parts/number-column.tsx'
import { ServerState } from '../parts/server-state.tsx'
import { TableFrame } from '../parts/table-frame.tsx'
import { WhereLeft } from '../parts/where-left.tsx'

/** A pool: its version and share, and its servers with what each can be told to do. */
export function PoolPanel({
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
          {milliseconds(ofPool?.p95 ?? null)} · {count(inFlightOf(pool, ofPool))} in flight
          {untilCut(pool.cutAt, now.value)}
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
                <NumberColumn name="In flight" />
                <NumberColumn name="Rate" />
                <NumberColumn name="Errors" />
                <NumberColumn name="p95" />
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
  const { name, url, weight, effectiveWeight, state, backup } = server
  const inFlight = inFlightOf(server, figures)
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
        <ServerState server={{ ...server, inFlight }} />
        {(state === 'drain' || state === 'leaving') && !server.drained && <WhereLeft server={server} />}
      </td>
      <td class="number" data-label="in flight">
        {count(inFlight)}
      </td>
      <td class="number" data-label="rate">
        {rate(figures?.rate ?? 0)}
      </td>
      <td class="number" data-label="errors">
        {share(figures?.errorRate ?? null)}
      </td>
      <td class="number" data-label="p95">
        {milliseconds(figures?.p95 ?? null)}
      </td>
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
