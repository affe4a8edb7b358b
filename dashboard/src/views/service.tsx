import { useEffect } from 'preact/hooks'
import type { Service } from '../../../src/client/create-client.ts'
import { ask } from '../actions/action.ts'
import { freeze, pause, resume, stop, unfreeze } from '../actions/modes.tsx'
import { rollback, shift, switchTo } from '../actions/routing.tsx'
import { Charts } from '../charts/charts.tsx'
import { percent } from '../format.ts'
import { refresh, services, stats } from '../live/live.ts'
import { mayOperate } from '../live/session.ts'
import { remarksOf, runningRollout } from '../live/standing.ts'
import { Chip } from '../parts/chip.tsx'
import { Crumbs } from '../parts/crumbs.tsx'
import { SplitBar } from '../parts/split-bar.tsx'
import { linkTo } from '../route.ts'
import { RecentChanges, useHistory } from './history.tsx'
import { PoolPanel } from './pool-panel.tsx'
import { RecentRollouts } from './rollouts.tsx'

/** Interval at which the last health checks are read, ms. */
const CHECKS_MS = 3_000

/** A service, if there is one of this name. */
export function ServiceView({ name }: { name: string }) {
  const service = services.value?.get(name)
  if (services.value === null) return <h1 tabIndex={-1}>{name}</h1>
  return service === undefined ? <Gone name={name} /> : <ServiceBody service={service} />
}

/** A service: its split, pools and servers, what it can be told to do, and how its requests go. */
function ServiceBody({ service }: { service: Service }) {
  const { name } = service
  const history = useHistory(name, service.revision)
  useEffect(() => {
    // Checks that go on as before are no events.
    const timer = setInterval(() => {
      if (document.visibilityState === 'visible') refresh(name)
    }, CHECKS_MS)
    return () => clearInterval(timer)
  }, [name])
  const figures = stats.value.get(name)
  const remarks = remarksOf(service, figures)
  const rollout = runningRollout(service)
  return (
    <>
      <header class="view-head">
        <Crumbs />
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
        <Charts service={name} pools={service.pools.map((pool) => pool.name)} changes={history.entries} />
      </section>
      <RecentRollouts service={name} revision={service.revision} />
      <RecentChanges service={name} history={history} />
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
