import type { Config } from '../config/config.ts'
import { diffPatch, mergePatch } from '../config/merge.ts'
import type { Definition } from '../model/commands.ts'
import { configure } from '../model/definitions.ts'
import { own } from '../model/names.ts'
import type { Problem, Refusal } from '../model/refusal.ts'
import type { AppliedConfiguration, JsonObject, State } from '../model/state.ts'
import { unservedBy } from '../model/unserved.ts'
import type { CommandMaker } from './controller.ts'
import { overlaps, problemsOf, resolve } from './definitions.ts'
import { earlierFiles, fileOf, fileStanding, whyNot, whyStranger } from './file-standing.ts'

/** The fleet that a file is applied to. */
export interface FleetTerms {
  readonly prefix: string
  /** Start with a file that shares no service with the fleet, too. */
  readonly joinAnyway: boolean
}

/** What is applied, as the store keeps it, and what that changes. */
interface Difference {
  readonly services: Map<string, Definition | null>
  readonly problems: Problem[]
}

/** The definition of a service that does not exist yet, for what is merged into it. */
const NOTHING: JsonObject = {}

/**
 * Applies a configuration file: what differs between it and the file applied last is done to the services as they are,
 * so that what was changed through the API since stands unless the file speaks of the same thing. `fleet`: null = this
 * instance has the store for itself, and the file is always applied. In a fleet, a start applies a file only if it is newer
 * than the one in force, and takes no service, host or path away that nobody else would answer to: an older machine, or
 * a file meant for another fleet, must not end what the others serve. A reload that somebody asks for does.
 */
export function applyConfiguration(
  config: Config,
  occasion: 'start' | 'reload',
  fleet: FleetTerms | null,
): CommandMaker {
  return (state, { force }) => {
    const applied = state.configuration
    const file = fileOf(config)
    if (occasion === 'start' && !config.hasServices && Object.keys(applied?.services ?? {}).length > 0)
      return { refusal: { kind: 'invalid', problems: [NO_SERVICES] } }
    if (fleet !== null) {
      const answer = occasion === 'start' ? atStart(config, state, fleet) : whenAsked(config, state, force)
      if (answer !== null) return answer
    }
    const { services, problems } = differenceTo(config, state)
    const heldBack = fleet !== null && occasion === 'start' ? held(state, services) : []
    for (const name of heldBack) services.delete(name)
    problems.push(...overlaps(state, services))
    if (problems.length > 0) return { refusal: { kind: 'invalid', problems } }
    const configuration = {
      hash: config.servicesHash,
      services: heldBack.length === 0 ? config.services : keeping(heldBack, config, applied),
      ...(file.version === null ? {} : { version: file.version }),
      ...(fleet === null ? {} : { earlier: earlierFiles(applied, file) }),
      ...(heldBack.length === 0 ? {} : { heldBack }),
    }
    return { command: { kind: 'configure', configuration, services: Object.fromEntries(services) } }
  }
}

/** What is wrong with a file that has no services, where there are some. */
export const NO_SERVICES: Problem = {
  path: 'services',
  message:
    'is missing: the file is empty or was cut short. To remove all services, write services: {} and reload with force',
}

/** What comes of a start in a fleet without looking at the services in detail; null = the file is to be applied. */
function atStart(config: Config, state: State, { prefix, joinAnyway }: FleetTerms): ReturnType<CommandMaker> | null {
  const file = fileOf(config)
  const stranger = joinAnyway ? null : whyStranger(file, config.services, state, prefix)
  if (stranger !== null) return { refusal: { kind: 'conflict', detail: stranger } }
  const { configuration } = state
  if (configuration === null) return null
  // A file without services says nothing of them: its instance follows the others.
  const isFollower = Object.keys(config.services).length === 0
  if (!isFollower && fileStanding(file, configuration) === 'newer') return null
  return { command: { kind: 'configure', configuration, services: {} } }
}

function whenAsked(config: Config, { configuration }: State, force: boolean): { refusal: Refusal } | null {
  if (configuration === null || force) return null
  const file = fileOf(config)
  const detail = whyNot(file, configuration, fileStanding(file, configuration))
  return detail === null ? null : { refusal: { kind: 'unsafe', detail } }
}

function differenceTo(config: Config, state: State): Difference {
  const before = state.configuration?.services ?? {}
  const services = new Map<string, Definition | null>()
  const problems: Problem[] = []
  for (const [name, wanted] of Object.entries(config.services)) {
    const patch = diffPatch(own(before, name) ?? NOTHING, wanted)
    if (Object.keys(patch).length === 0) continue
    const current = own(state.services, name)?.source
    const merged = current === undefined ? wanted : mergePatch(current, patch)
    // Where the file and what was said since do not go together, the file has the last word.
    const definition = resolve(name, merged) ?? resolve(name, wanted)
    if (definition === undefined) problems.push(...problemsOf(name, wanted))
    else services.set(name, definition)
  }
  for (const name of Object.keys(before)) if (own(config.services, name) === undefined) services.set(name, null)
  return { services, problems }
}

/** The services that stay as they are at a start: without them requests would have no service, now or when it is up again. */
function held(state: State, services: ReadonlyMap<string, Definition | null>): readonly string[] {
  const nothing: AppliedConfiguration = { hash: '', services: {} }
  const { edits } = configure(state, Object.fromEntries(services), nothing)
  return unservedBy(state, edits, () => true)
    .map(({ service }) => service)
    .sort()
}

/** The services of a file, with those held back as they were: the next reload finds what is left to do. */
function keeping(heldBack: readonly string[], config: Config, applied: AppliedConfiguration | null) {
  const services = new Map(Object.entries(config.services))
  for (const name of heldBack) {
    const before = own(applied?.services ?? {}, name)
    if (before === undefined) services.delete(name)
    else services.set(name, before)
  }
  return Object.fromEntries(services)
}
