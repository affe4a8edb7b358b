import type { Change, Documents, HistoryEntry, ServiceDocument } from '../model/state.ts'

// The checksums find damage; these find files written by hand or by something else. Enough is looked at to tell.

type Fields = Readonly<Record<string, unknown>>

export function isRecord(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isRevision(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0
}

function isServiceDocument(value: unknown, name: string): value is ServiceDocument {
  return (
    isRecord(value) &&
    value.name === name &&
    isRevision(value.revision) &&
    isRecord(value.source) &&
    Array.isArray(value.decisions) &&
    isRecord(value.servers) &&
    isRecord(value.poolCuts)
  )
}

function isConfiguration(value: unknown): boolean {
  return isRecord(value) && typeof value.hash === 'string' && isRecord(value.services)
}

/** Whether `value` is a list of history entries. */
export function isHistory(value: unknown): value is readonly HistoryEntry[] {
  return (
    Array.isArray(value) &&
    value.every((entry) => isRecord(entry) && typeof entry.service === 'string' && isRevision(entry.revision))
  )
}

/** Whether `value` can be the documents of a snapshot. */
export function isDocuments(value: unknown): value is Documents {
  return (
    isRecord(value) &&
    isRevision(value.revision) &&
    (value.configuration === null || isConfiguration(value.configuration)) &&
    isRecord(value.services) &&
    Object.entries(value.services).every(([name, document]) => isServiceDocument(document, name))
  )
}

/** Whether `value` can be a change of the log. */
export function isChange(value: unknown): value is Change {
  return (
    isRecord(value) &&
    isRevision(value.revision) &&
    typeof value.at === 'string' &&
    (value.configuration === undefined || isConfiguration(value.configuration)) &&
    isRecord(value.services) &&
    Object.entries(value.services).every(
      ([name, document]) => document === null || isServiceDocument(document, name),
    ) &&
    isHistory(value.history)
  )
}

/** `text` as JSON; undefined when it is none. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
