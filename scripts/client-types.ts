// npm run client: writes the types of src/client/ from the API's OpenAPI document and the schema of the configuration.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { published } from '../src/admin/openapi.ts'
import { FileSchema } from '../src/config/schema/file.ts'
import { PoolSchema, ServerSchema, ServiceSchema } from '../src/config/schema/service.ts'
import { createCutover } from '../src/create-cutover.ts'
import { comment, type JsonSchema, TypeScriptOf } from './typescript-of.ts'

interface Operation {
  readonly summary: string
  readonly parameters?: readonly {
    readonly in: string
    readonly name: string
    readonly description?: string
    readonly schema: JsonSchema
  }[]
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: JsonSchema }>> }
  readonly responses: Readonly<
    Record<string, { readonly content?: Readonly<Record<string, { readonly schema: JsonSchema }>> }>
  >
}

export interface ApiDocument {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly components: { readonly schemas: Readonly<Record<string, JsonSchema>> }
}

const HEAD = '// Written by `npm run client`; do not edit.\n'
const FOLDER = join(import.meta.dirname, '../src/client')

/** Options of every change. */
const OF_CHANGES = ['wait', 'force', 'reason', 'ifMatch']
/** How the header fields of requests are called as options. */
const FIELDS: Readonly<Record<string, readonly [name: string, type: 'integer' | 'string']>> = {
  'If-Match': ['ifMatch', 'integer'],
  'Idempotency-Key': ['idempotencyKey', 'string'],
}

const DEFINITIONS: readonly (readonly [string, JsonSchema])[] = [
  ['ServerDefinition', published(ServerSchema)],
  ['PoolDefinition', published(PoolSchema)],
  ['ServiceDefinition', published(ServiceSchema)],
  ['CutoverConfig', published(FileSchema)],
]

/** The files of src/client/ that follow from the API and the configuration, by name. */
export function clientFiles(document: ApiDocument): Readonly<Record<string, string>> {
  return {
    'answers.ts': formatted('answers.ts', answers(document)),
    'definitions.ts': formatted('definitions.ts', definitions()),
    'operations.ts': formatted('operations.ts', operations(document)),
  }
}

function formatted(name: string, text: string): string {
  const biome = join(import.meta.dirname, '../node_modules/.bin/biome')
  return execFileSync(biome, ['check', '--write', `--stdin-file-path=${join(FOLDER, name)}`], {
    input: text,
    encoding: 'utf8',
  })
}

function answers({ components }: ApiDocument): string {
  const typescript = new TypeScriptOf({ isInput: false })
  return [
    HEAD,
    ...Object.entries(components.schemas).map(([name, schema]) => typescript.declaration(name, schema)),
  ].join('\n\n')
}

function definitions(): string {
  const typescript = namingDefinitions()
  return [HEAD, ...DEFINITIONS.map(([name, schema]) => typescript.declaration(name, schema))].join('\n\n')
}

function namingDefinitions(): TypeScriptOf {
  const typescript = new TypeScriptOf({ isInput: true })
  for (const [name, schema] of DEFINITIONS) typescript.name(schema, name)
  return typescript
}

function operations({ paths }: ApiDocument): string {
  const typescript = namingDefinitions()
  const all = Object.entries(paths)
    // What is passed on, to an instance or a preview, has no form of its own.
    .filter(([path]) => !path.endsWith('{path}'))
    .flatMap(([path, methods]) =>
      Object.entries(methods)
        .filter(([, operation]) => !isStream(operation))
        .map(([method, operation]) => new Described(method.toUpperCase(), path, operation)),
    )
  const ofChanges = all.find((each) => each.isChange)?.options ?? {}
  const shared = OF_CHANGES.map((name) => typescript.member(name, ofChanges[name] ?? {}, false))
  const used = new Set(all.map((each) => each.answer).flatMap((type) => type.split(' | ')))
  used.delete('string')
  const named = DEFINITIONS.map(([name]) => name).filter((name) => all.some((each) => each.body(typescript) === name))
  return [
    HEAD,
    `import type { ${[...used].join(', ')} } from './answers.ts'`,
    `import type { ${named.join(', ')} } from './definitions.ts'`,
    `/** Options of every change. */\nexport interface WriteOptions {\n${shared.join('\n')}\n}`,
    `/** What each operation of the API takes and answers. */\nexport interface Operations {\n${all.map((each) => each.type(typescript)).join('\n')}\n}`,
    `/** The options that each operation takes in its query. */\nexport const QUERIES: Readonly<Record<keyof Operations, readonly string[]>> = {\n${all.map((each) => each.query()).join('\n')}\n}\n`,
  ].join('\n\n')
}

/** Whether an operation answers with events as they happen, for which the client has a method of its own. */
function isStream({ responses }: Operation): boolean {
  return responses['200']?.content?.['text/event-stream'] !== undefined
}

/** One operation of the document. */
class Described {
  readonly route: string
  /** What its caller may say beside names and a definition. */
  readonly options: Readonly<Record<string, JsonSchema>>
  readonly answer: string
  readonly isChange: boolean
  private readonly names: readonly string[]
  private readonly operation: Operation
  private readonly definition: JsonSchema | null

  constructor(method: string, path: string, operation: Operation) {
    this.route = `${method} ${path}`
    this.operation = operation
    this.names = [...path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => name)
    this.isChange = operation.responses['412'] !== undefined
    const body = operation.requestBody?.content['application/json']?.schema
    const isDefinition = method === 'PUT' || method === 'PATCH'
    this.definition = isDefinition ? (body ?? {}) : null
    this.options = {
      ...Object.fromEntries(this.parameters('query').map(({ name, ...rest }) => [name, ofQuery(rest)])),
      ...(isDefinition ? {} : body?.properties),
      ...Object.fromEntries(this.parameters('header').map(({ name, ...rest }) => ofHeader(name, rest))),
    }
    const { '200': done, '201': created, '202': begun } = operation.responses
    const types = [done, created, begun].flatMap((response) =>
      Object.values(response?.content ?? {}).map(({ schema }) => schema),
    )
    const typescript = new TypeScriptOf({ isInput: false })
    this.answer =
      types.length === 0 ? 'string' : [...new Set(types.map((schema) => typescript.type(schema)))].join(' | ')
  }

  body(typescript: TypeScriptOf): string {
    return this.definition === null ? 'never' : typescript.type(this.definition)
  }

  type(typescript: TypeScriptOf): string {
    const names = this.names.map((name) => `${name}: string`)
    const own = Object.entries(this.options).filter(([name]) => !(this.isChange && OF_CHANGES.includes(name)))
    const members = own.map(([name, schema]) => typescript.member(name, schema, false))
    const options = [
      ...(this.isChange ? ['WriteOptions'] : []),
      ...(members.length > 0 ? [`{\n${members.join('\n')}\n}`] : []),
    ]
    const form = [
      `readonly names: readonly [${names.join(', ')}]`,
      ...(this.definition === null ? [] : [`readonly body: ${this.body(typescript)}`]),
      `readonly options: ${options.join(' & ') || 'Record<never, never>'}`,
      `readonly answer: ${this.answer}`,
    ]
    return `${comment(`${this.operation.summary}.`)}'${this.route}': {\n${form.join('\n')}\n}`
  }

  query(): string {
    return `'${this.route}': ${JSON.stringify(this.parameters('query').map(({ name }) => name))},`
  }

  private parameters(place: string): NonNullable<Operation['parameters']> {
    return (this.operation.parameters ?? []).filter((each) => each.in === place)
  }
}

/** In a query everything is text; the client takes what the text stands for. */
function ofQuery({ schema, description }: { schema: JsonSchema; description?: string }): JsonSchema {
  const said = { description: description ?? schema.description ?? '' }
  if (schema.enum?.includes('true') === true) return { ...said, type: 'boolean', default: false }
  if (schema.pattern?.startsWith('^[1-9]\\d') === true)
    return { ...said, type: 'number', default: Number(schema.default) }
  const { default: usual, ...rest } = schema
  return { ...rest, ...said, ...(usual === undefined || usual === '' ? {} : { default: usual }) }
}

function ofHeader(field: string, { description }: { description?: string }): [string, JsonSchema] {
  const [name, type] = FIELDS[field] ?? [field, 'string']
  return [name, { type, description: (description ?? '').replace(/, as its ETag.*$/, '.') }]
}

/** The OpenAPI document of this version. */
async function apiDocument(): Promise<ApiDocument> {
  const path = mkdtempSync(join(tmpdir(), 'cutover-client-'))
  const listen = '127.0.0.1:0'
  const cutover = await createCutover({ config: { proxy: { listen }, admin: { listen }, store: { path } } })
  try {
    return (await (await fetch(`${cutover.admin}/api/openapi.json`)).json()) as ApiDocument
  } finally {
    await cutover.close()
    rmSync(path, { recursive: true })
  }
}

if (process.argv[1] === import.meta.filename) {
  for (const [name, text] of Object.entries(clientFiles(await apiDocument()))) writeFileSync(join(FOLDER, name), text)
}
