import { subjectOf } from './collections.ts'
import { own } from './names.ts'
import type { Change, Documents, JsonObject } from './state.ts'

/**
 * A kind of document that the store keeps beside services. A new kind needs one file that defines a `DocumentKind`; the
 * store treats all collections alike, including those unknown to this version.
 */
export interface DocumentKind<T extends JsonObject> {
  /** Name of the collection, in camelCase, such as `rollouts`. It never changes once it is released. */
  readonly collection: string
  /**
   * Whether this version can read a value. Must accept values with unknown members: a newer version may have written
   * them.
   */
  readonly fits: (value: JsonObject) => value is T
}

/** A document of a kind. */
export interface KindDocument<T extends JsonObject> {
  readonly name: string
  /** The last revision that changed it. */
  readonly revision: number
  readonly value: T
}

type Collected = Pick<Documents, 'collections'>
type CollectionChanges = NonNullable<Change['collections']>

/** Finds a document by name; `unreadable` = this version cannot read it; null = it does not exist. */
export function findDocument<T extends JsonObject>(
  { collection, fits }: DocumentKind<T>,
  { collections = {} }: Collected,
  name: string,
): KindDocument<T> | 'unreadable' | null {
  const found = own(own(collections, collection) ?? {}, name)
  if (found === undefined) return null
  const { revision, value } = found
  return fits(value) ? { name, revision, value } : 'unreadable'
}

/** Returns all documents of a kind, except those that this version cannot read. */
export function documentsOf<T extends JsonObject>(
  kind: DocumentKind<T>,
  documents: Collected,
): readonly KindDocument<T>[] {
  const names = Object.keys(own(documents.collections ?? {}, kind.collection) ?? {})
  return names.flatMap((name) => {
    const found = findDocument(kind, documents, name)
    return found === null || found === 'unreadable' ? [] : [found]
  })
}

/** Returns the `collections` of a change at `revision` that writes a document. */
export function putDocument<T extends JsonObject>(
  { collection }: DocumentKind<T>,
  name: string,
  value: T,
  revision: number,
): CollectionChanges {
  return { [collection]: Object.fromEntries([[name, { revision, value }]]) }
}

/** Returns the `collections` of a change that removes a document. */
export function removeDocument<T extends JsonObject>({ collection }: DocumentKind<T>, name: string): CollectionChanges {
  return { [collection]: Object.fromEntries([[name, null]]) }
}

/** The `service` of a document's history entries, by which `Store.history` finds them. */
export function documentSubject<T extends JsonObject>({ collection }: DocumentKind<T>, name: string): string {
  return subjectOf(collection, name)
}
