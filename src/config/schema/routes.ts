import { type StaticDecode, Type } from 'typebox'
import { parseCidr } from '../addresses.ts'
import * as kind from './kinds.ts'
import { testsByName, valueTest } from './value-tests.ts'

/** One text or a list of them. */
const oneOrMore = (parse: (given: string) => string | undefined, errorMessage: string, description: string) => {
  const item = kind.parsed(parse, { errorMessage })
  return Type.Optional(Type.Union([item, kind.list(item, { minItems: 1 })], { description, errorMessage }))
}

const parseMethod = (given: string) => (new RegExp(`^${kind.TOKEN}$`).test(given) ? given.toUpperCase() : undefined)

const conditions = {
  method: oneOrMore(parseMethod, 'expected a method such as GET, or several', 'The method, or several.'),
  path: Type.Optional(valueTest('The path without the query, or conditions on it.')),
  header: testsByName('Header fields.', 'expected the name of a header field'),
  cookie: testsByName('Cookies.', 'expected the name of a cookie'),
  query: testsByName('Query parameters.', 'expected the name of a query parameter'),
  ip: oneOrMore(
    parseCidr,
    'expected an address or network such as 10.0.0.0/8, or several',
    "The client's address or network, or several.",
  ),
}

export const MatchSchema = kind.section(
  {
    ...conditions,
    not: Type.Optional(
      kind.section(conditions, { description: 'Conditions that must not all hold.', minProperties: 1 }),
    ),
  },
  { description: 'Conditions; all must hold.', minProperties: 1 },
)

export const RoutesSchema = kind.list(
  kind.section(
    {
      name: kind.text({
        description: 'Name of this route in figures and explanations.',
        pattern: kind.NAME_PATTERN,
        errorMessage: `expected a name; ${kind.NAME_RULE}`,
      }),
      match: MatchSchema,
      to: kind.text({ description: 'The pool that gets matching requests.' }),
      onUnavailable: kind.choice(['split', 'fail'], {
        description: 'While that pool has no server up: split = the split decides; fail = 503.',
        default: 'split',
      }),
    },
    {},
  ),
  { description: 'Asked in order before the split; the first that matches decides.', default: [] },
)

/** Conditions of a route as returned by `read`. */
export type MatchSettings = StaticDecode<typeof RoutesSchema>[number]['match']
