import type { Config } from '../config/config.ts'
import type { FileVersion } from '../model/fleet.ts'
import { listed, own } from '../model/names.ts'
import type { AppliedConfiguration, JsonObject, State } from '../model/state.ts'

/** Max hashes of files applied before; a file among them never counts as newer. */
const MAX_EARLIER_FILES = 100

/** A file compared with the one in force. `differs`: same `configVersion`, different content. */
export type FileStanding = 'inForce' | 'newer' | 'older' | 'differs'

/** Hash and version of an instance's file. */
export function fileOf({ servicesHash, configVersion }: Config): FileVersion {
  return { hash: servicesHash, version: configVersion }
}

/**
 * Compares a file with the one in force in a fleet. The file with the higher version is newer; a file with a version is
 * newer than one without. Without versions, a file is newer if it was never in force.
 */
export function fileStanding(file: FileVersion, applied: AppliedConfiguration): FileStanding {
  const version = applied.version ?? null
  if (file.version !== null && (version === null || file.version > version)) return 'newer'
  if (file.hash === applied.hash) return 'inForce'
  if (version !== null) return file.version === version ? 'differs' : 'older'
  return applied.earlier?.includes(file.hash) === true ? 'older' : 'newer'
}

/** Describes why a reload must not apply a file, which is not newer than the one in force; null = it may. */
export function outdatedReason(
  file: FileVersion,
  applied: AppliedConfiguration,
  standing: FileStanding,
): string | null {
  // Without versions, the person who requests the reload knows which file is wanted.
  if (standing === 'newer' || standing === 'inForce' || applied.version === undefined) return null
  const own = file.version === null ? 'has no configVersion' : `has configVersion ${file.version}`
  return `The file ${own}; a file with configVersion ${applied.version} is in force in the fleet. Give this one a higher configVersion.`
}

/**
 * Describes why an instance must not start with a file in a fleet: the file has no service in common with the fleet,
 * and was probably meant for another one. null = it may.
 */
export function unrelatedReason(
  file: FileVersion,
  services: Readonly<Record<string, JsonObject>>,
  { configuration, services: fleet }: State,
  prefix: string,
): string | null {
  const [ours, theirs] = [Object.keys(services), Object.keys(fleet)]
  if (ours.length === 0 || theirs.length === 0 || ours.some((name) => own(fleet, name) !== undefined)) return null
  if (configuration?.hash === file.hash || configuration?.earlier?.includes(file.hash) === true) return null
  return (
    `The file has no service in common with the fleet at store.prefix ${JSON.stringify(prefix)}: the fleet serves ` +
    `${listed(theirs.toSorted())}, the file has ${listed(ours.toSorted())}. All instances of a fleet use the same file: use ` +
    'another store.prefix or the right file, or start with --join-anyway to add the services of this file to the fleet.'
  )
}

/** Hashes of the files applied before `file`, oldest first. */
export function earlierFiles(applied: AppliedConfiguration | null, file: FileVersion): readonly string[] {
  if (applied === null) return []
  const earlier = [...(applied.earlier ?? []), applied.hash]
  return earlier.filter((hash) => hash !== file.hash).slice(-MAX_EARLIER_FILES)
}
