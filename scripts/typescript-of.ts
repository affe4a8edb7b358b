/** A JSON Schema, as far as the API and the configuration use it. */
export interface JsonSchema {
  readonly $ref?: string
  readonly const?: unknown
  readonly enum?: readonly unknown[]
  readonly anyOf?: readonly JsonSchema[]
  readonly type?: string | readonly string[]
  readonly items?: JsonSchema
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly patternProperties?: Readonly<Record<string, JsonSchema>>
  readonly additionalProperties?: boolean | JsonSchema
  readonly required?: readonly string[]
  readonly description?: string
  readonly default?: unknown
  readonly pattern?: string
}

/** Writes JSON Schemas as TypeScript. */
export class TypeScriptOf {
  /** Names of types by what they stand for. */
  private readonly names = new Map<string, string>()
  /** Whether optional members also take undefined, as suits input. */
  private readonly isInput: boolean

  constructor({ isInput }: { readonly isInput: boolean }) {
    this.isInput = isInput
  }

  /** From now on, writes `schema` as `name` wherever it occurs. */
  name(schema: JsonSchema, name: string): void {
    this.names.set(this.written(schema), name)
  }

  /** A declaration of `name`, without the name standing for itself. */
  declaration(name: string, schema: JsonSchema): string {
    const written = this.written(schema)
    const isInterface = schema.properties !== undefined
    return `${comment(schema.description)}export ${isInterface ? `interface ${name} ${written}` : `type ${name} = ${written}`}`
  }

  /** The type of the values of a schema. */
  type(schema: JsonSchema): string {
    const written = this.written(schema)
    return this.names.get(written) ?? written
  }

  /** A member of an interface, with its description. */
  member(name: string, schema: JsonSchema, isRequired: boolean): string {
    const key = /^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(name)
    const mark = isRequired ? '' : '?'
    const absent = isRequired || !this.isInput ? '' : ' | undefined'
    const usual = this.isInput && schema.default !== undefined ? `Default: ${JSON.stringify(schema.default)}.` : ''
    return `${comment(schema.description, usual)}readonly ${key}${mark}: ${this.type(schema)}${absent}`
  }

  private written(schema: JsonSchema): string {
    const { $ref, anyOf, type } = schema
    if ($ref !== undefined) return $ref.slice($ref.lastIndexOf('/') + 1)
    if ('const' in schema) return JSON.stringify(schema.const)
    if (schema.enum !== undefined) return union(schema.enum.map((value) => JSON.stringify(value)))
    if (anyOf !== undefined) return union(anyOf.map((each) => this.type(each)))
    if (typeof type !== 'string') {
      if (type === undefined) return schema.properties === undefined ? 'unknown' : this.object(schema)
      return union(type.map((each) => this.written({ ...schema, type: each })))
    }
    if (type === 'array') return `ReadonlyArray<${this.type(schema.items ?? {})}>`
    if (type === 'object') return this.object(schema)
    return type === 'integer' ? 'number' : type
  }

  private object({ properties, patternProperties = {}, additionalProperties, required = [] }: JsonSchema): string {
    const members = Object.entries(properties ?? {}).map(([name, schema]) =>
      this.member(name, schema, required.includes(name)),
    )
    const others = [
      ...(typeof additionalProperties === 'object' ? [additionalProperties] : Object.values(patternProperties)),
    ].map((schema) => this.type(schema))
    if (others.length === 0 && (additionalProperties === true || properties === undefined)) others.push('unknown')
    if (others.length > 0) members.push(`readonly [name: string]: ${members.length > 0 ? 'unknown' : union(others)}`)
    return `{\n${members.join('\n')}\n}`
  }
}

export function comment(...parts: readonly (string | undefined)[]): string {
  const text = parts.filter((part) => part !== undefined && part !== '').join(' ')
  return text === '' ? '' : `/** ${text.replaceAll('*/', '* /')} */\n`
}

function union(types: readonly string[]): string {
  return [...new Set(types)].join(' | ') || 'never'
}
