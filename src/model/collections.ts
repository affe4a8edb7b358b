import { own } from './names.ts'
import type { Change, Documents } from './state.ts'

/** Number of documents in all collections. */
export function countDocuments({ collections = {} }: Pick<Documents, 'collections'>): number {
  return Object.values(collections).reduce((sum, documents) => sum + Object.keys(documents).length, 0)
}

/**
 * Name of a document where services and documents are mixed, such as in the history. No service can have such a name.
 */
export function subjectOf(collection: string, name: string): string {
  return `${collection}/${name}`
}

/** Returns all documents of all collections by subject. */
export function flatten<T>(
  collections: Readonly<Record<string, Readonly<Record<string, T>>>> = {},
): readonly (readonly [subject: string, document: T])[] {
  return Object.entries(collections).flatMap(([collection, documents]) =>
    Object.entries(documents).map(([name, document]) => [subjectOf(collection, name), document] as const),
  )
}

/** Splits a subject into collection and name; null = the subject is the name of a service. */
export function splitSubject(subject: string): readonly [collection: string, name: string] | null {
  const slash = subject.indexOf('/')
  return slash < 0 ? null : [subject.slice(0, slash), subject.slice(slash + 1)]
}

/** Whether the service or document exists that the `service` of a history entry names. */
export function hasSubject({ services, collections = {} }: Documents, subject: string): boolean {
  const parts = splitSubject(subject)
  if (parts === null) return Object.hasOwn(services, subject)
  return Object.hasOwn(own(collections, parts[0]) ?? {}, parts[1])
}

/** Whether a change removes the service or document that a history entry's `service` names. */
export function removesSubject({ services, collections = {} }: Change, subject: string): boolean {
  const parts = splitSubject(subject)
  return (parts === null ? own(services, subject) : own(own(collections, parts[0]) ?? {}, parts[1])) === null
}
