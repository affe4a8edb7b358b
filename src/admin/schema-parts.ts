/** A JSON Schema (2020-12), as OpenAPI 3.1 takes it. */
export type Schema = Readonly<Record<string, unknown>>

export const text = { type: 'string' }
export const flag = { type: 'boolean' }
export const count = { type: 'integer', minimum: 0 }
export const instant = { type: 'string', format: 'date-time' }
export const names = { type: 'array', items: text }
export const revision = { ...count, description: 'Revision of the whole state; also in the ETag.' }

export const ref = (name: string): Schema => ({ $ref: `#/components/schemas/${name}` })
export const listOf = (name: string): Schema => ({ type: 'array', items: ref(name) })

/** An object whose members are required, except the `optional` ones. */
export function object(
  properties: Readonly<Record<string, Schema>>,
  optional: Readonly<Record<string, Schema>> = {},
): Schema {
  return { type: 'object', required: Object.keys(properties), properties: { ...properties, ...optional } }
}

export const written = {
  revision,
  changed: { ...flag, description: 'false: there was nothing to change, and no revision was made.' },
}
/** What a change still waits for when waiting has ended. */
export const missing = object(
  {
    lagging: { ...names, description: 'Instances that have not applied it.' },
    underWay: {
      type: 'array',
      items: object(
        { name: text, inFlight: { ...count, description: 'Requests and tunnels in flight.' } },
        { at: { ...names, description: 'In a fleet: the instances where they are.' } },
      ),
      description: 'Servers or pools that are not drained.',
    },
  },
  {
    handovers: {
      type: 'array',
      items: object({ instance: text, service: text, waitsFor: text }),
      description: 'Services that keep their previous definition until the servers of the new one are up.',
    },
  },
)
export const override = {
  at: instant,
  by: text,
  reason: { type: ['string', 'null'] },
  what: { ...text, description: 'Such as `drain blue1`.' },
}
/** Named in every answer while an instance is out of touch. */
export const leftOut = {
  leftOut: {
    ...names,
    description:
      'Instances that are out of touch: what they have in force and in flight is unknown. ' +
      'They are named until they are back, or struck off by DELETE /api/instances/{id}.',
  },
}
export const stale = {
  stale: { const: true, description: 'The store is away: others may have changed the state meanwhile.' },
}
/** Members that `markStale` adds to every answer with a revision. */
export const caveats = {
  ...stale,
  overrides: {
    type: 'array',
    items: object({ instance: text, ...override }),
    description: 'Overrides of instances, made with ?scope=local while the store was away.',
  },
  ...leftOut,
}
export const cannotFollow = {
  cannotFollow: { ...names, description: 'Instances that cannot read a definition, and keep the last readable one.' },
}

/** How a part of an instance is. */
export const health = object({ status: { enum: ['ok', 'degraded', 'failing'] }, detail: { type: ['string', 'null'] } })

/** What a change has drained, and how long that took. */
export const drained = {
  drained: { ...names, description: 'Pools and servers that this change drained and that are idle.' },
  cut: { ...count, description: 'Requests that were cut at the deadline.' },
  times: {
    ...object({ applied: count, idle: count }),
    description:
      'With ?wait=: milliseconds until the change was in force in the whole fleet, and until nothing was in flight any more at what it drained.',
  },
  scope: { const: 'local', description: 'Only this instance was changed.' },
  ...caveats,
  ...cannotFollow,
  mayBeLost: { const: true, description: 'No replica of the store has it yet: a fail-over now would lose it.' },
}
