import { ALIAS, type FieldNames, UNKNOWN } from '../http1/field-names.ts'
import { Fields } from '../http1/fields.ts'

/** Builds the fields of one message as text of HTTP/1.1, so that policies and lines are the same for all versions. */
export class Head {
  readonly fields = new Fields()
  private readonly names: FieldNames

  constructor(names: FieldNames) {
    this.names = names
  }

  /** Length of the field lines so far. */
  get length(): number {
    return this.fields.text.length
  }

  /** `name`: in lower case. `value`: one character per byte. */
  add(name: string, value: string): void {
    const { fields, names } = this
    let number = names.numberOf(name)
    if (number === UNKNOWN && name.includes('_')) {
      const alias = names.numberOf(name.replaceAll('_', '-'))
      if (alias !== UNKNOWN) {
        fields.addAlias(alias)
        number = ALIAS
      }
    }
    const start = fields.text.length
    const valueStart = start + name.length + 2
    fields.add(number, start, start + name.length, valueStart, valueStart + value.length)
    fields.text += `${name}: ${value}\r\n`
  }

  /** Returns the fields. Call once, after the last one. */
  end(): Fields {
    this.fields.text += '\r\n'
    return this.fields
  }
}

/** Returns the fields of a response or of trailers. `raw`: names and values, alternating. */
export function fieldsOf(raw: readonly string[], names: FieldNames): Fields {
  const head = new Head(names)
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] as string
    if (name !== ':status') head.add(name, raw[i + 1] as string)
  }
  return head.end()
}
