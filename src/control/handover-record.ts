import type { HandoverRecord } from '../model/fleet.ts'
import type { Handover } from './handovers.ts'

/** Max servers that a description names. */
const MAX_NAMED = 5

/** Describes a handover for people and for the other instances; undefined = it is over, but not in force everywhere. */
export function describeWait(name: string, handover: Handover | undefined): HandoverRecord {
  if (handover === undefined) return { waitsFor: `the new definition of ${name} is being put in force`, serves: [] }
  const { waitsFor, serves } = handover
  const named = waitsFor.slice(0, MAX_NAMED).map(({ service, server, reason }) => {
    return `${server}${service === name ? '' : ` of ${service}`} is ${reason}`
  })
  const more = waitsFor.length > MAX_NAMED ? `, and ${waitsFor.length - MAX_NAMED} more` : ''
  return { waitsFor: `${name} waits for its new servers: ${named.join(', ')}${more}`, serves }
}
