import { describeHeldBack } from '../control/configuration-file.ts'
import { fileStanding } from '../control/file-standing.ts'
import type { FileVersion } from '../model/fleet.ts'
import { own } from '../model/names.ts'
import type { AdminContext } from './context.ts'

/** Compares the file of an instance with the one in force; `none`: no file was ever applied. */
export function standingOf({ control }: AdminContext, file: FileVersion): ReturnType<typeof fileStanding> | 'none' {
  const { configuration } = control.state
  return configuration === null ? 'none' : fileStanding(file, configuration)
}

/** Problems with the configuration files of this instance and of the fleet, as text for `/health`; empty = none. */
export function fileProblems(context: AdminContext): readonly string[] {
  const { control, file, fleet, self } = context
  const problems: string[] = []
  if (file.notApplied !== null) problems.push(`the file was not applied: ${file.notApplied}`)
  if (file.reloadFailure !== null) problems.push(`the last reload failed, nothing was changed: ${file.reloadFailure}`)
  const { services, configuration } = control.state
  const heldBack = configuration?.heldBack?.filter((name) => own(services, name) !== undefined) ?? []
  if (heldBack.length > 0) problems.push(describeHeldBack(heldBack))
  if (fleet.isAlone) return problems
  const files = [self.record(), ...fleet.live().map(({ record }) => record)]
    .filter((record) => record.configuration.isEmpty !== true)
    .map(({ name, configuration: { hash, version } }) => ({ name, hash, version: version ?? null }))
  if (new Set(files.map(({ hash, version }) => `${hash} ${version}`)).size > 1) {
    const each = files.map(({ name, hash, version }) => {
      const numbered = version === null ? '' : `, configVersion ${version}`
      return `${name} has ${hash.slice(0, 8)} (${STANDINGS[standingOf(context, { hash, version })]}${numbered})`
    })
    problems.push(`the instances have different files: ${each.sort().join('; ')}`)
  }
  return problems
}

const STANDINGS = {
  inForce: 'in force',
  newer: 'not applied yet',
  older: 'older',
  differs: 'same version, other services',
  none: 'none in force',
}
