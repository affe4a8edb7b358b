import type { Command } from './commands.ts'
import { decide } from './decide.ts'
import { own } from './names.ts'
import type { Service, State } from './state.ts'

/** What may be done to one instance alone. */
export type LocalCommand = Extract<Command, { kind: 'switch' | 'server' }>

/** Something done to one instance alone, while the store is away. */
export interface Override {
  readonly atMs: number
  readonly by: string
  readonly reason: string | null
  readonly command: LocalCommand
}

/** The state as an instance has it in force: as the store has it, with its overrides in the order they were made. */
export function overridden(state: State, overrides: readonly Override[]): State {
  return overrides.reduce(override, state)
}

function override(state: State, { atMs, by, reason, command }: Override): State {
  // Whether it may be done was decided when it was asked for.
  const request = { by, reason, force: true, ifMatch: null }
  const outcome = decide(state, command, request, { nowMs: atMs, isUp: () => true })
  if (outcome.kind !== 'change') return state
  const services = Object.entries(outcome.change.services).flatMap(([name, document]): [string, Service][] => {
    const before = own(state.services, name)
    // Neither defines a service or removes one; and it is no revision of the store's.
    return before === undefined || document === null
      ? []
      : [[name, { ...document, spec: before.spec, revision: before.revision }]]
  })
  return { ...state, services: { ...state.services, ...Object.fromEntries(services) } }
}

/** An override in few words, such as `drain blue1`. */
export function describeOverride({ command }: Override): string {
  if (command.kind === 'switch')
    return `switch ${command.service}${command.to === undefined ? '' : ` to ${command.to}`}`
  const where = [command.service, command.pool].filter((part) => part !== undefined).join('/')
  return `${command.state === 'ready' ? 'enable' : command.state} ${command.server}${where === '' ? '' : ` (${where})`}`
}
