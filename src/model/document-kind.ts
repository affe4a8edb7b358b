import { subjectOf } from './collections.ts'
import { own } from './names.ts'
import type { Change, Documents, JsonObject } from './state.ts'

/**
 * One kind of document that the store keeps beside services. A new kind is one file that makes one of these; the store
 * keeps every collection alike, also those that this version does not know.
 */
export interface DocumentKind<T extends JsonObject> {
  /** Name of the collection, in camelCase, such as `rollouts`. It never changes once it is released. */
  readonly collection: string
  /**
   * Whether this version can read a value. Accept values with more members than are known: a newer version may have
   * written them.
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

/** The document with that name; `unreadable`: there is one that this version cannot read; null: there is none. */
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

/** All documents of a kind that this version can read. */
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

/** What a change at `revision` says to write a document. */
export function putDocument<T extends JsonObject>(
  { collection }: DocumentKind<T>,
  name: string,
  value: T,
  revision: number,
): CollectionChanges {
  return { [collection]: Object.fromEntries([[name, { revision, value }]]) }
}

/** What a change says to remove a document. */
export function removeDocument<T extends JsonObject>({ collection }: DocumentKind<T>, name: string): CollectionChanges {
  return { [collection]: Object.fromEntries([[name, null]]) }
}

/** What history entries of a document have as their `service`; `Store.history` finds them by it. */
export function documentSubject<T extends JsonObject>({ collection }: DocumentKind<T>, name: string): string {
  return subjectOf(collection, name)
}
