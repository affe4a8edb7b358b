import type { Departure, InstanceProgress, InstanceRecord } from './fleet.ts'
import { isCount, isFields } from './shape.ts'

// Records of other instances are validated: others may write to the store, and instances may run other versions.

function isCounts(value: unknown): boolean {
  return isFields(value) && Object.values(value).every(isCount)
}

function isTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every((each) => typeof each === 'string')
}

function isDeploys(value: unknown): boolean {
  const isStanding = (each: unknown) => isFields(each) && typeof each.id === 'string' && isTexts(each.notUp)
  return isFields(value) && Object.values(value).every(isStanding)
}

/** Whether `value` describes services, each by a text under `member` and the keys of the targets that it serves. */
function areServing(value: unknown, member: string): boolean {
  return (
    isFields(value) &&
    Object.values(value).every((each) => isFields(each) && typeof each[member] === 'string' && isTexts(each.serves))
  )
}

function isStateName(value: unknown): boolean {
  return isFields(value) && isCount(value.revision) && typeof value.head === 'string'
}

function isAppliedInPart(value: unknown): boolean {
  return isStateName(value) && isFields(value) && areServing(value.handovers, 'waitsFor')
}

/** Whether `value` has the shape of an `InstanceProgress`. */
export function isProgress(value: unknown): value is InstanceProgress {
  if (
    !isFields(value) ||
    typeof value.boot !== 'string' ||
    !isCount(value.sequence) ||
    !isCounts(value.busy) ||
    !isCounts(value.cut)
  )
    return false
  const { applied, appliedInPart, cannotFollow, deploys } = value
  if (cannotFollow !== undefined && !areServing(cannotFollow, 'problem')) return false
  if (appliedInPart !== undefined && appliedInPart !== null && !isAppliedInPart(appliedInPart)) return false
  if (deploys !== undefined && !isDeploys(deploys)) return false
  return applied === null || isStateName(applied)
}

/** Whether `value` has the shape of an `InstanceRecord`. */
export function isRecord(value: unknown): value is InstanceRecord {
  if (!isFields(value) || !isProgress(value)) return false
  const { id, name, host, address, version, startedAt, configuration, overrides, inFlight, queued, held, processes } =
    value as unknown as Record<string, unknown>
  return (
    [id, name, host, address, version, startedAt].every((text) => typeof text === 'string') &&
    isFields(configuration) &&
    typeof configuration.hash === 'string' &&
    isCounts(inFlight) &&
    [queued, held].every((counts) => counts === undefined || isCounts(counts)) &&
    [overrides, processes].every((list) => Array.isArray(list) && list.every(isFields))
  )
}

/** Whether `value` has the shape of a `Departure`. */
export function isDeparture(value: unknown): value is Departure {
  if (!isFields(value) || value.leaving !== true) return false
  const { why, by, reason } = value
  return (
    (why === 'left' || why === 'replaced' || why === 'struck') &&
    [by, reason].every((text) => text === null || typeof text === 'string')
  )
}
