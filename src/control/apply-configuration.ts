import type { Config } from '../config/config.ts'
import { diffPatch, mergePatch } from '../config/merge.ts'
import type { Definition } from '../model/commands.ts'
import { configure } from '../model/definitions.ts'
import { own } from '../model/names.ts'
import type { Problem, Refusal } from '../model/refusal.ts'
import type { AppliedConfiguration, JsonObject, State } from '../model/state.ts'
import { unservedBy } from '../model/unserved.ts'
import type { CommandMaker } from './controller.ts'
import { overlaps, problemsOf, resolve, withFittingSplit, withKnownSplit } from './definitions.ts'
import { earlierFiles, fileOf, fileStanding, outdatedReason, unrelatedReason } from './file-standing.ts'

/** Settings for applying a file in a fleet. */
export interface FleetTerms {
  readonly prefix: string
  /** Start even if the file shares no service with the fleet. */
  readonly joinAnyway: boolean
}

/** The service definitions that a file changes (null = removes), and the problems with them. */
interface Difference {
  readonly services: Map<string, Definition | null>
  readonly problems: Problem[]
}

/** Definition of a service that does not exist yet, as the base of a patch. */
const NOTHING: JsonObject = {}

/**
 * Applies a configuration file: patches the current services with the differences between the file and the file applied
 * last, so that changes made through the API since are kept unless the file changes the same key.
 *
 * `fleet`: null = this instance has the store for itself, and the file is always applied. In a fleet, a start applies a
 * file only if it is newer than the one in force, and holds back the removal of services, hosts and paths that no other
 * service would answer: an outdated machine, or a file for another fleet, must not end services of the others. A reload
 * requested by a person does remove them.
 *
 * `restore`: creates services again that the file has and that were removed through the API.
 */
export function applyConfiguration(
  config: Config,
  occasion: 'start' | 'reload',
  fleet: FleetTerms | null,
  restore = false,
): CommandMaker {
  return (state, { force }) => {
    const applied = state.configuration
    const file = fileOf(config)
    if (occasion === 'start' && !config.hasServices && Object.keys(applied?.services ?? {}).length > 0)
      return { refusal: { kind: 'invalid', problems: [NO_SERVICES] } }
    if (fleet !== null) {
      const answer = occasion === 'start' ? atStart(config, state, fleet) : atReload(config, state, force)
      if (answer !== null) return answer
    }
    const { services, problems } = differenceTo(config, state, restore)
    const heldBack = fleet !== null && occasion === 'start' ? heldBackServices(state, services) : []
    for (const name of heldBack) services.delete(name)
    problems.push(...overlaps(state, services))
    if (problems.length > 0) return { refusal: { kind: 'invalid', problems } }
    const configuration = {
      hash: config.servicesHash,
      services: heldBack.length === 0 ? config.services : withHeldBack(heldBack, config, applied),
      ...(file.version === null ? {} : { version: file.version }),
      ...(fleet === null ? {} : { earlier: earlierFiles(applied, file) }),
      ...(heldBack.length === 0 ? {} : { heldBack }),
    }
    return { command: { kind: 'configure', configuration, services: Object.fromEntries(services) } }
  }
}

/** The problem of a file without services, if the state has some. */
export const NO_SERVICES: Problem = {
  path: 'services',
  message:
    'is missing: the file is empty or was cut short. To remove all services, write services: {} and reload with force',
}

/** Decides a start in a fleet without comparing the services in detail; null = apply the file. */
function atStart(config: Config, state: State, { prefix, joinAnyway }: FleetTerms): ReturnType<CommandMaker> | null {
  const file = fileOf(config)
  const unrelated = joinAnyway ? null : unrelatedReason(file, config.services, state, prefix)
  if (unrelated !== null) return { refusal: { kind: 'conflict', detail: unrelated } }
  const { configuration } = state
  if (configuration === null) return null
  // An instance whose file has no services follows the others.
  const isFollower = Object.keys(config.services).length === 0
  if (!isFollower && fileStanding(file, configuration) === 'newer') return null
  return { command: { kind: 'configure', configuration, services: {} } }
}

/** Refuses a reload of a file that is older than the one in force; null = apply the file. `force` skips the check. */
function atReload(config: Config, { configuration }: State, force: boolean): { refusal: Refusal } | null {
  if (configuration === null || force) return null
  const file = fileOf(config)
  const detail = outdatedReason(file, configuration, fileStanding(file, configuration))
  return detail === null ? null : { refusal: { kind: 'unsafe', detail } }
}

/** Compares a file with the file applied last, and merges the differences into the current definitions. */
function differenceTo(config: Config, state: State, restore: boolean): Difference {
  const before = state.configuration?.services ?? {}
  const services = new Map<string, Definition | null>()
  const problems: Problem[] = []
  for (const [name, wanted] of Object.entries(config.services)) {
    const patch = diffPatch(own(before, name) ?? NOTHING, wanted)
    const service = own(state.services, name)
    const isRestored = restore && service === undefined
    if (Object.keys(patch).length === 0 && !isRestored) continue
    const merged = service === undefined ? wanted : mergePatch(service.source, patch)
    const file = withKnownSplit(wanted, service)
    const splitIsOfFile = own(wanted, 'split') !== undefined
    // If the merged definition is invalid, the file wins over changes made through the API.
    const definition = resolve(name, splitIsOfFile ? merged : withFittingSplit(merged, service)) ?? resolve(name, file)
    if (definition === undefined) problems.push(...problemsOf(name, file))
    else services.set(name, definition)
  }
  for (const name of Object.keys(before)) if (own(config.services, name) === undefined) services.set(name, null)
  return { services, problems }
}

/** Names of the services to leave as they are at a start, because the change would leave requests without a service. */
function heldBackServices(state: State, services: ReadonlyMap<string, Definition | null>): readonly string[] {
  const nothing: AppliedConfiguration = { hash: '', services: {} }
  const { edits } = configure(state, Object.fromEntries(services), nothing)
  return unservedBy(state, edits, () => true)
    .map(({ service }) => service)
    .sort()
}

/**
 * The services of a file, with those held back as they were applied before: the next reload finds the remaining
 * difference.
 */
function withHeldBack(heldBack: readonly string[], config: Config, applied: AppliedConfiguration | null) {
  const services = new Map(Object.entries(config.services))
  for (const name of heldBack) {
    const before = own(applied?.services ?? {}, name)
    if (before === undefined) services.delete(name)
    else services.set(name, before)
  }
  return Object.fromEntries(services)
}
