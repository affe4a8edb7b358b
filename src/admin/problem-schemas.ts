import { cannotFollow, caveats, count, names, object, revision, type Schema, text, written } from './schema-parts.ts'

/** 409: a later change undid the one that the request waited for. */
const overtaken = {
  revision,
  reopened: { ...names, description: '409: what takes requests again by a later change.' },
}
const movedOn = {
  expected: { ...count, description: '412: the revision in If-Match.' },
  actual: { ...count, description: '412: the last revision that changed the resource.' },
}
/** 504: what is still missing after `?wait=`; the change stands. */
const pending = {
  ...written,
  missing: object({
    lagging: { ...names, description: 'Instances that have not applied it.' },
    underWay: {
      type: 'array',
      items: object(
        { name: text, inFlight: { ...count, description: 'Requests and tunnels under way.' } },
        { at: { ...names, description: 'In a fleet: at which instances.' } },
      ),
      description: 'Servers or pools that are not drained.',
    },
  }),
}
const problemMembers = {
  problems: {
    type: 'array',
    items: object({ path: text, message: text }),
    description: '422: what is wrong, and where; the first fifty.',
  },
  moreProblems: { type: 'integer', description: '422: how many more problems there are.' },
  known: { ...names, description: '404: the names there are; the first fifty.' },
  moreKnown: { type: 'integer', description: '404: how many more names there are.' },
  ...overtaken,
  ...movedOn,
}

/** An RFC 9457 problem document. */
function problem(
  properties: Readonly<Record<string, Schema>>,
  optional: Readonly<Record<string, Schema>> = {},
): Schema {
  return object({ type: text, title: text, status: { type: 'integer' }, detail: text, ...properties }, optional)
}

/** Bodies of refusals and failures, by name. `Problem` has every member that any of the others may have. */
export const problemAnswers = {
  Problem: problem({}, { ...problemMembers, ...pending, ...caveats }),
  Conflict: problem({}, { ...overtaken, ...caveats }),
  MovedOn: problem(movedOn),
  Invalid: problem({ problems: problemMembers.problems }, { moreProblems: problemMembers.moreProblems }),
  NotYet: problem(pending, { ...cannotFollow, ...caveats }),
} satisfies Readonly<Record<string, Schema>>
