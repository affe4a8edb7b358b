import { Type } from 'typebox'
import * as kind from './kinds.ts'

/** Conditions on a value that is a text. */
export const LongTest = kind.section(
  {
    present: Type.Optional(kind.flag({ description: 'true: there is a value; false: there is none.' })),
    prefix: Type.Optional(kind.text({ description: 'Begin of the value; of a path, whole segments.' })),
    suffix: Type.Optional(kind.text({ description: 'End of the value.' })),
    contains: Type.Optional(kind.text({ description: 'Part of the value.' })),
  },
  { description: 'Conditions on the value; all must hold.', minProperties: 1 },
)

/** The exact value, or conditions on it. */
export const valueTest = (description: string) =>
  Type.Union([kind.text({ description: 'The exact value.' }), LongTest], {
    description,
    errorMessage: 'expected a text (numbers in quotes), or {present}, {prefix}, {suffix} or {contains}',
  })

/** Conditions on values with names as in HTTP. */
export const testsByName = (description: string, nameMessage: string) =>
  Type.Optional(
    Type.Record(Type.String({ pattern: `^${kind.TOKEN}$` }), valueTest('The value, or conditions on it.'), {
      additionalProperties: false,
      nameMessage,
      errorMessage: 'expected values by name, such as {x-beta: "1"}',
      description,
    }),
  )
