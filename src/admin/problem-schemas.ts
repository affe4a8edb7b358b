import {
  cannotFollow,
  caveats,
  count,
  missing,
  names,
  object,
  ref,
  revision,
  type Schema,
  text,
  written,
} from './schema-parts.ts'

/** 409: a later change undid the one that the request waited for. */
const overtaken = {
  revision,
  reopened: { ...names, description: '409: pools and servers that a later change made take requests again.' },
}
const movedOn = {
  expected: { ...count, description: '412: the revision in If-Match.' },
  actual: { ...count, description: '412: the last revision that changed the resource.' },
}
/** 504: what is still missing after `?wait=`; the change stands. */
const pending = { ...written, missing }
/** 409 and 504 of a deploy: its servers that are not up everywhere. */
const notUp = {
  servers: {
    type: 'array',
    items: object(
      { name: text, url: text, health: text, lastProbe: { anyOf: [ref('Probe'), { type: 'null' }] } },
      { at: { ...names, description: 'In a fleet: the instances at which it is not up.' } },
    ),
    description: 'Deploy: the servers that are not up, as this instance has found them.',
  },
}
const problemMembers = {
  problems: {
    type: 'array',
    items: object({ path: text, message: text }),
    description: '422: the first fifty problems, with their paths.',
  },
  moreProblems: { type: 'integer', description: '422: the number of further problems.' },
  known: { ...names, description: '404: the first fifty known names.' },
  moreKnown: { type: 'integer', description: '404: the number of further names.' },
  ...overtaken,
  ...movedOn,
}

/** An RFC 9457 problem document. */
function problem(
  properties: Readonly<Record<string, Schema>>,
  optional: Readonly<Record<string, Schema>> = {},
): Schema {
  const help = { ...text, description: 'Path of a page about this kind of problem: GET /docs/problems/….' }
  const standard = { type: text, title: text, status: { type: 'integer' }, detail: text }
  return object({ ...standard, ...properties }, { help, ...optional })
}

/** Bodies of refusals and failures, by name. `Problem` has every member that any of the others may have. */
export const problemAnswers = {
  Problem: problem({}, { ...problemMembers, ...notUp, ...pending, ...caveats }),
  Conflict: problem({}, { ...overtaken, ...notUp, ...caveats }),
  MovedOn: problem(movedOn),
  Invalid: problem({ problems: problemMembers.problems }, { moreProblems: problemMembers.moreProblems }),
  NotYet: problem(pending, { ...cannotFollow, ...caveats }),
  NotDeployed: problem({ revision }, { ...notUp, ...pending, ...cannotFollow, ...caveats }),
} satisfies Readonly<Record<string, Schema>>
