import {
  applyChange,
  type Change,
  type Documents,
  EMPTY_DOCUMENTS,
  type ServiceDocument,
} from '../../src/model/state.ts'

/** Names that a plain object would take for inherited properties, and names that look like array indexes. */
export const NAMES = ['shop', 'constructor', 'toString', 'hasOwnProperty', '10', 'ünï ☕'] as const

export function serviceDocument(name: string, revision: number, note = ''): ServiceDocument {
  return {
    name,
    revision,
    source: { hosts: [`${revision}.example.com`], note },
    decisions: [{ revision, split: { blue: 95.25, green: 4.75 } }],
    servers: { 'blue/blue1': { state: 'drain', weight: null, cutAt: revision * 1_000 } },
    poolCuts: { green: revision },
  }
}

/** A change that depends on its arguments only, so that another process can compute it, too. */
export function changeFor(
  revision: number,
  name: string = NAMES[revision % NAMES.length] ?? 'shop',
  note = '',
): Change {
  const removed = revision % 7 === 0
  return {
    revision,
    at: new Date(revision).toISOString(),
    services: { [name]: removed ? null : serviceDocument(name, revision, note) },
    ...(revision % 11 === 0 ? { collections: collectionsAt(revision) } : {}),
    ...(revision % 5 === 0 ? { configuration: { hash: `hash ${revision}`, services: { shop: { revision } } } } : {}),
    history: [
      {
        revision,
        at: new Date(revision).toISOString(),
        by: 'tester',
        reason: revision % 2 === 0 ? null : 'because',
        action: removed ? 'remove' : 'switch',
        service: name,
        from: { blue: 100 },
        to: { green: 100 },
        forced: false,
      },
    ],
  }
}

/** Puts a document of a collection at revision 11, removes it at 22, and so on. */
function collectionsAt(revision: number): NonNullable<Change['collections']> {
  const document = revision % 2 === 0 ? null : { revision, value: { note: `${revision}`, list: [1, null, 'ü'] } }
  return { certificates: { '*.example.com/a': document } }
}

/** The changes of revisions 1 to `last`. */
export function changesTo(last: number): Change[] {
  return Array.from({ length: last }, (_, index) => changeFor(index + 1))
}

/** The documents after the changes of revisions 1 to `last`. */
export function documentsAt(last: number): Documents {
  return changesTo(last).reduce((documents, change) => applyChange(documents, change), EMPTY_DOCUMENTS)
}
