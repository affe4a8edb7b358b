import fc from 'fast-check'
import { checkService } from '../../src/config/check-service.ts'
import type { Command, Definition, Facts, Outcome, Request } from '../../src/model/commands.ts'
import { decide } from '../../src/model/decide.ts'
import { applyChange, EMPTY_DOCUMENTS, type JsonObject, type Service, type State } from '../../src/model/state.ts'

/** A Thursday; the date does not matter. */
export const NOW_MS = Date.parse('2026-11-26T12:00:00Z')

const describeHealth = () => 'down (status 503)'
export const ALL_UP: Facts = { nowMs: NOW_MS, secret: 'secret', isUp: () => true, describeHealth }
export const NONE_UP: Facts = { nowMs: NOW_MS, secret: 'secret', isUp: () => false, describeHealth }
/** Facts in which the servers of these names are up. */
export function up(...names: string[]): Facts {
  return { ...ALL_UP, isUp: (key) => names.some((name) => key.includes(`/${name}=`)) }
}

export const PLAIN: Request = { by: 'test', reason: null, force: false, ifMatch: null }
export const FORCED: Request = { ...PLAIN, force: true }

/** A definition with the servers `blue1`, `blue2`, … of every pool; throws with its problems. */
export function definitionOf(pools: Readonly<Record<string, number>>, rest: JsonObject = {}): Definition {
  const entries = Object.entries(pools).map(([pool, count], at): [string, JsonObject] => {
    const servers = Array.from({ length: count }, (_, i) => [`${pool}${i + 1}`, `http://10.0.${at}.${i + 1}:9000`])
    return [pool, { servers: Object.fromEntries(servers) }]
  })
  const first = Object.keys(pools)[0] ?? ''
  return resolved({ pools: Object.fromEntries(entries), split: { [first]: 100 }, ...rest })
}

export function resolved(source: JsonObject, name = 'shop'): Definition {
  const checked = checkService(name, source)
  if (!checked.ok) throw new Error(JSON.stringify(checked.problems))
  return { source, spec: checked.spec }
}

/** A state as a store would keep it: commands go through `decide`, changes through `applyChange`. */
export class World {
  state: State = { ...EMPTY_DOCUMENTS, services: {} }
  facts: Facts = ALL_UP

  constructor(services: Readonly<Record<string, Definition>> = {}) {
    for (const [service, definition] of Object.entries(services)) {
      this.must({ kind: 'define', service, definition, action: 'create' })
    }
  }

  /** Decides a command, and applies its change. */
  run(command: Command, request: Request = PLAIN): Outcome {
    const outcome = decide(this.state, command, request, this.facts)
    if (outcome.kind !== 'change') return outcome
    const { services, ...rest } = applyChange(this.state, outcome.change)
    const definition = (name: string) => specOf(command, name) ?? this.state.services[name]?.spec
    const resolvedServices = Object.entries(services).map(([name, document]): [string, Service] => {
      const spec = definition(name)
      if (spec === undefined) throw new Error(`no definition of ${name}`)
      return [name, { ...document, spec }]
    })
    this.state = { ...rest, services: Object.fromEntries(resolvedServices) }
    return outcome
  }

  /** Like `run`; throws if the command makes no change. */
  must(command: Command, request: Request = PLAIN): Extract<Outcome, { kind: 'change' }>['change'] {
    const outcome = this.run(command, request)
    if (outcome.kind !== 'change') throw new Error(JSON.stringify(outcome))
    return outcome.change
  }

  /** The service `shop`, or the one named. */
  service(name = 'shop'): Service {
    const service = this.state.services[name]
    if (service === undefined) throw new Error(`no service ${name}`)
    return service
  }

  split(): Readonly<Record<string, number>> {
    return this.service().decisions.at(-1)?.split ?? {}
  }
}

function specOf(command: Command, name: string) {
  if (command.kind === 'define' && command.service === name) return command.definition.spec
  if ((command.kind === 'beginDeploy' || command.kind === 'abandonDeploy') && command.service === name)
    return command.definition?.spec
  if (command.kind === 'configure' && Object.hasOwn(command.services, name)) return command.services[name]?.spec
  return undefined
}

/** Names of properties that every object inherits. */
export const TREACHEROUS = ['constructor', 'toString', 'hasOwnProperty', 'valueOf', 'isPrototypeOf'] as const

/** One to six pools. */
export const poolNames = fc.uniqueArray(
  fc.oneof(fc.stringMatching(/^[a-z][a-z0-9.-]{0,5}$/), fc.constantFrom(...TREACHEROUS)),
  { minLength: 1, maxLength: 6 },
)

/** A percentage with at most two decimals. */
export const percents = fc.integer({ min: 0, max: 10_000 }).map((hundredths) => hundredths / 100)

/** A split over exactly these pools; pools without a share are left out, as in decisions. */
export function splitsOver(pools: readonly string[]): fc.Arbitrary<Record<string, number>> {
  const cut = fc.array(fc.integer({ min: 0, max: 10_000 }), {
    minLength: pools.length - 1,
    maxLength: pools.length - 1,
  })
  return cut.map((cuts) => {
    const borders = [0, ...cuts.toSorted((a, b) => a - b), 10_000]
    const shares = pools.map((pool, i) => [pool, (borders[i + 1] ?? 0) - (borders[i] ?? 0)] as const)
    return Object.fromEntries(shares.filter(([, share]) => share > 0).map(([pool, share]) => [pool, share / 100]))
  })
}
