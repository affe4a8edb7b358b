import type { Config } from '../config/config.ts'
import type { FileVersion } from '../model/fleet.ts'
import { listed, own } from '../model/names.ts'
import type { AppliedConfiguration, JsonObject, State } from '../model/state.ts'

/** Hashes of files that were applied before, and are not newer however often an instance starts with them. */
const REMEMBERED = 100

/** `differs`: it has the version of the one in force, and says something else. */
export type FileStanding = 'inForce' | 'newer' | 'older' | 'differs'

/** The file of an instance as the fleet compares them. */
export function fileOf({ servicesHash, configVersion }: Config): FileVersion {
  return { hash: servicesHash, version: configVersion }
}

/**
 * How a file stands to the one in force in a fleet. With versions the higher one is newer, and one with a version is newer
 * than one without; without versions, what was never in force is.
 */
export function fileStanding(file: FileVersion, applied: AppliedConfiguration): FileStanding {
  const version = applied.version ?? null
  if (file.version !== null && (version === null || file.version > version)) return 'newer'
  if (file.hash === applied.hash) return 'inForce'
  if (version !== null) return file.version === version ? 'differs' : 'older'
  return applied.earlier?.includes(file.hash) === true ? 'older' : 'newer'
}

/** Why a file that somebody asks to apply should not be; null = it should. */
export function whyNot(file: FileVersion, applied: AppliedConfiguration, standing: FileStanding): string | null {
  // Without versions, who asks knows which file is wanted.
  if (standing === 'newer' || standing === 'inForce' || applied.version === undefined) return null
  const own = file.version === null ? 'has no configVersion' : `has configVersion ${file.version}`
  return `The file ${own}; a file with configVersion ${applied.version} is in force in the fleet. Give this one a higher configVersion.`
}

/**
 * Why an instance should not start with a file in a fleet: none of the file's services is one of the fleet's, so that it
 * was probably meant for another one. null = it may.
 */
export function whyStranger(
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
    `${listed(theirs.toSorted())}, the file has ${listed(ours.toSorted())}. A fleet is one file on all instances: give this one another ` +
    'store.prefix or the right file, or start it with --join-anyway to add its services to that fleet.'
  )
}

/** The hashes of files applied before `file`. */
export function earlierFiles(applied: AppliedConfiguration | null, file: FileVersion): readonly string[] {
  if (applied === null) return []
  const earlier = [...(applied.earlier ?? []), applied.hash]
  return earlier.filter((hash) => hash !== file.hash).slice(-REMEMBERED)
}
