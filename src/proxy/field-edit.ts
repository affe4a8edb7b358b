import { type FieldEdits, type Placeholder, splitPlaceholders } from '../model/header-policy.ts'
import { type PlaceholderSubject, placeholderValue } from './placeholders.ts'

interface SetField {
  /** Name and colon. */
  readonly begin: string
  /** Texts and placeholders, alternating, a text first. */
  readonly parts: readonly string[]
}

const COLON = ':'
const LINE_END = '\r\n'
/** Matches what may not be in a field's value, which is sent with one byte per character. */
const NOT_IN_VALUES = /[^\t\x20-\x7e\x80-\xff]/g

/** Changes field lines as a service's `headers` say. */
export class FieldEdit {
  private readonly dropped: ReadonlySet<string>
  private readonly set: readonly SetField[]

  constructor({ set, remove }: FieldEdits) {
    const names = [...remove, ...Object.keys(set)]
    this.dropped = new Set(names.map((name) => name.toLowerCase()))
    this.set = Object.entries(set).map(([name, value]) => ({ begin: `${name}: `, parts: splitPlaceholders(value) }))
  }

  /** Returns field lines with the changes. `subject`: their request. */
  apply(lines: string, subject: PlaceholderSubject): string {
    let result = withoutFields(lines, this.dropped)
    for (const { begin, parts } of this.set) {
      result += begin
      for (let i = 0; i < parts.length; i++) {
        const part = parts[i] as string
        result += i % 2 === 0 ? part : placeholderValue(part as Placeholder, subject).replace(NOT_IN_VALUES, '?')
      }
      result += LINE_END
    }
    return result
  }
}

/** Returns field lines without those of these lower-case names. */
export function withoutFields(lines: string, names: ReadonlySet<string>): string {
  let result = ''
  for (let start = 0; start < lines.length; ) {
    const end = lines.indexOf(LINE_END, start) + LINE_END.length
    const name = lines.slice(start, lines.indexOf(COLON, start)).toLowerCase()
    if (!names.has(name)) result += lines.slice(start, end)
    start = end
  }
  return result
}

/** Compiles edits; null = they change nothing. */
export function fieldEdit(edits: FieldEdits | undefined): FieldEdit | null {
  if (edits === undefined) return null
  return edits.remove.length === 0 && Object.keys(edits.set).length === 0 ? null : new FieldEdit(edits)
}
