import { own } from './names.ts'
import type { Change, Documents } from './state.ts'

/** How many documents all collections have together. */
export function countDocuments({ collections = {} }: Pick<Documents, 'collections'>): number {
  return Object.values(collections).reduce((sum, documents) => sum + Object.keys(documents).length, 0)
}

/** What names a document wherever services and documents stand side by side: no service has such a name. */
export function subjectOf(collection: string, name: string): string {
  return `${collection}/${name}`
}

/** All documents of all collections, each under its subject. */
export function flatten<T>(
  collections: Readonly<Record<string, Readonly<Record<string, T>>>> = {},
): readonly (readonly [subject: string, document: T])[] {
  return Object.entries(collections).flatMap(([collection, documents]) =>
    Object.entries(documents).map(([name, document]) => [subjectOf(collection, name), document] as const),
  )
}

/** The collection and the name of a document by its subject; null where it is the name of a service. */
export function splitSubject(subject: string): readonly [collection: string, name: string] | null {
  const slash = subject.indexOf('/')
  return slash < 0 ? null : [subject.slice(0, slash), subject.slice(slash + 1)]
}

/** Whether a history entry's `service` names a service or a document that there is. */
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
