import { signal } from '@preact/signals'
import { percent } from '../format.ts'
import { client } from '../live/session.ts'
import { type Action, optionsOf } from './action.ts'
import { PercentField, percentProblem } from './percent-field.tsx'
import { conditions, leftovers, poolNow, readiness, serviceNow, withShare } from './sentences.ts'

const STEPS = [5, 25, 50, 75, 100]

/** Sends all requests to one pool. */
export function switchTo(service: string, preferred?: string): Action {
  const { pools } = serviceNow(service)
  const standby = pools.filter(({ share }) => share < 100)
  const to = signal(preferred ?? standby[0]?.name ?? '')
  const before = withShare(serviceNow(service)).map(({ name }) => name)
  const left = () => before.filter((name) => name !== to.value)
  return {
    title: `Switch ${service}`,
    service,
    verb: () => `Switch to ${to.value}`,
    fields: () => <PoolChoice pools={standby.map(({ name }) => name)} chosen={to} />,
    obstacle: () => (to.value === '' ? 'There is no other pool to switch to.' : null),
    consequences: () => {
      const pool = poolNow(service, to.value)
      if (pool === undefined) return []
      return [
        `${to.value} gets all new requests.`,
        readiness(pool),
        ...leftovers(service, left()),
        ...conditions(serviceNow(service)),
      ]
    },
    run: (how) => client.value.services.switch(service, { to: to.value, ...optionsOf(how) }),
    drains: () => ({ pools: left(), servers: [] }),
    undo: () => rollback(service),
  }
}

/** Sets the share of one pool. */
export function shift(service: string): Action {
  const { pools } = serviceNow(service)
  const target = pools.find(({ share }) => share < 50) ?? pools[0]
  const to = signal(target?.name ?? '')
  const wanted = signal(nextShare(target?.share ?? 0))
  return {
    title: `Shift the traffic of ${service}`,
    service,
    verb: () => `Give ${to.value} ${percent(wanted.value)}`,
    fields: () => (
      <>
        <PoolChoice
          pools={pools.map(({ name }) => name)}
          chosen={to}
          onChange={(name) => {
            wanted.value = nextShare(poolNow(service, name)?.share ?? 0)
          }}
        />
        <PercentField value={wanted} />
      </>
    ),
    obstacle: () => {
      if (pools.length < 2) return 'The service has one pool, which has all requests.'
      return percentProblem(wanted.value)
    },
    consequences: () => {
      const pool = poolNow(service, to.value)
      if (pool === undefined) return []
      const others = withShare(serviceNow(service)).filter(({ name }) => name !== to.value)
      const left = 100 - wanted.value
      const sum = others.reduce((all, { share }) => all + share, 0)
      const shares = others.map(({ name, share }) => `${name} ${percent((share * left) / sum)}`)
      return [
        `${to.value} gets ${percent(wanted.value)} of the new requests instead of ${percent(pool.share)}${shares.length > 0 ? `; ${shares.join(', ')}` : ''}.`,
        readiness(pool),
        ...(wanted.value === 100
          ? leftovers(
              service,
              others.map(({ name }) => name),
            )
          : []),
        ...conditions(serviceNow(service)),
      ]
    },
    run: (how) => client.value.services.shift(service, { to: to.value, percent: wanted.value, ...optionsOf(how) }),
    drains: () => ({
      pools:
        wanted.value === 100
          ? pools.filter(({ name, share }) => share > 0 && name !== to.value).map(({ name }) => name)
          : wanted.value === 0
            ? [to.value]
            : [],
      servers: [],
    }),
    undo: () => rollback(service),
  }
}

/** The usual next share of a pool that takes over step by step. */
function nextShare(share: number): number {
  return STEPS.find((step) => step > share) ?? 100
}

/** Returns to an earlier decision. `entry`: by default the one before this. */
export function rollback(service: string, entry?: { readonly revision: number; readonly text: string }): Action {
  return {
    title: entry === undefined ? `Roll ${service} back` : `Take ${service} back to revision ${entry.revision}`,
    service,
    verb: () => 'Roll back',
    consequences: () => [
      entry === undefined
        ? 'The routing decision before the present one is in force again.'
        : `The routing as it was at revision ${entry.revision} is in force again: ${entry.text}.`,
      'Requests in flight end where they are.',
      ...conditions(serviceNow(service)),
    ],
    run: (how) =>
      client.value.services.rollback(service, {
        ...(entry === undefined ? {} : { revision: entry.revision }),
        ...optionsOf(how),
      }),
    drains: () => ({ pools: withShare(serviceNow(service)).map(({ name }) => name), servers: [] }),
    undo: () => rollback(service),
  }
}

function PoolChoice({
  pools,
  chosen,
  onChange = () => {},
}: {
  pools: readonly string[]
  chosen: { value: string }
  onChange?: (name: string) => void
}) {
  if (pools.length < 2) return null
  return (
    <fieldset class="choice">
      <legend>Pool</legend>
      {pools.map((name) => (
        <label key={name}>
          <input
            type="radio"
            name="pool"
            value={name}
            checked={chosen.value === name}
            onChange={() => {
              chosen.value = name
              onChange(name)
            }}
          />
          {name}
        </label>
      ))}
    </fieldset>
  )
}
