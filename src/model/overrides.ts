import type { Command } from './commands.ts'
import { decide } from './decide.ts'
import { own } from './names.ts'
import type { Service, State } from './state.ts'

/** The commands that may be carried out on one instance alone. */
export type LocalCommand = Extract<Command, { kind: 'switch' | 'server' }>

/** A command carried out on one instance alone, while the store is away. */
export interface Override {
  readonly atMs: number
  readonly by: string
  readonly reason: string | null
  readonly command: LocalCommand
}

/** Returns the state in force at an instance: the stored state with the instance's overrides applied, oldest first. */
export function overridden(state: State, overrides: readonly Override[]): State {
  return overrides.reduce(override, state)
}

function override(state: State, { atMs, by, reason, command }: Override): State {
  // Checks of safety and health were made when the override was requested; force skips them here.
  const request = { by, reason, force: true, ifMatch: null }
  // Local commands define nothing that needs a secret.
  const facts = { nowMs: atMs, secret: '', isUp: () => true, describeHealth: () => 'up' }
  const outcome = decide(state, command, request, facts)
  if (outcome.kind !== 'change') return state
  const services = Object.entries(outcome.change.services).flatMap(([name, document]): [string, Service][] => {
    const before = own(state.services, name)
    // Local commands neither create nor remove services. The revision stays: the store has not made a new one.
    return before === undefined || document === null
      ? []
      : [[name, { ...document, spec: before.spec, revision: before.revision }]]
  })
  return { ...state, services: { ...state.services, ...Object.fromEntries(services) } }
}

/** Describes an override in short, such as `drain blue1`. */
export function describeOverride({ command }: Override): string {
  if (command.kind === 'switch')
    return `switch ${command.service}${command.to === undefined ? '' : ` to ${command.to}`}`
  const where = [command.service, command.pool].filter((part) => part !== undefined).join('/')
  return `${command.state === 'ready' ? 'enable' : command.state} ${command.server}${where === '' ? '' : ` (${where})`}`
}
