import { isCount, isFields } from '../model/shape.ts'
import type { Change, Documents, HistoryEntry, ServiceDocument } from '../model/state.ts'

// Checksums find damage; these checks find files written by hand or by another program. They look at no more than
// needed.

function isServiceDocument(value: unknown, name: string): value is ServiceDocument {
  return (
    isFields(value) &&
    value.name === name &&
    isCount(value.revision) &&
    isFields(value.source) &&
    Array.isArray(value.decisions) &&
    isFields(value.servers) &&
    isFields(value.poolCuts)
  )
}

function isStoredDocument(value: unknown): boolean {
  return isFields(value) && isCount(value.revision) && isFields(value.value)
}

/** Whether `value` can be collections; `isDocument` checks one document. */
function isCollections(value: unknown, isDocument: (value: unknown) => boolean): boolean {
  return (
    isFields(value) &&
    Object.entries(value).every(
      // History entries and Redis name a document `COLLECTION/NAME`.
      ([name, documents]) => !name.includes('/') && isFields(documents) && Object.values(documents).every(isDocument),
    )
  )
}

function isConfiguration(value: unknown): boolean {
  return isFields(value) && typeof value.hash === 'string' && isFields(value.services)
}

/** Whether `value` is a list of history entries. */
export function isHistory(value: unknown): value is readonly HistoryEntry[] {
  return (
    Array.isArray(value) &&
    value.every((entry) => isFields(entry) && typeof entry.service === 'string' && isCount(entry.revision))
  )
}

/** Whether `value` can be the documents of a snapshot. */
export function isDocuments(value: unknown): value is Documents {
  return (
    isFields(value) &&
    isCount(value.revision) &&
    (value.configuration === null || isConfiguration(value.configuration)) &&
    isFields(value.services) &&
    Object.entries(value.services).every(([name, document]) => isServiceDocument(document, name)) &&
    (value.collections === undefined || isCollections(value.collections, isStoredDocument))
  )
}

/** Whether `value` can be a change of the log. */
export function isChange(value: unknown): value is Change {
  return (
    isFields(value) &&
    isCount(value.revision) &&
    typeof value.at === 'string' &&
    (value.configuration === undefined || isConfiguration(value.configuration)) &&
    isFields(value.services) &&
    Object.entries(value.services).every(
      ([name, document]) => document === null || isServiceDocument(document, name),
    ) &&
    (value.collections === undefined ||
      isCollections(value.collections, (document) => document === null || isStoredDocument(document))) &&
    isHistory(value.history)
  )
}

/** Parses JSON; undefined if `text` is not JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
