import { UNKNOWN } from './field-names.ts'

/** Number of offsets kept for each field. */
const OFFSETS = 4
const UPPER_A = 0x41
const UPPER_Z = 0x5a
const CASE = 0x20

/**
 * The fields of one message in their order, as offsets into its head. Names and values become strings only on demand.
 */
export class Fields {
  /** The head, one character per byte. */
  text = ''
  /** Number of fields. */
  count = 0
  /** Bit set of the numbers of all fields. */
  private present = 0
  /** Bit set of the numbers that fields with unknown names would have if `_` were `-`. */
  private aliased = 0
  private readonly numbers: number[] = []
  /** Four offsets for each field: start and end of its name, start and end of its value. */
  private readonly offsets: number[] = []

  add(number: number, nameStart: number, nameEnd: number, valueStart: number, valueEnd: number): void {
    this.numbers.push(number)
    this.offsets.push(nameStart, nameEnd, valueStart, valueEnd)
    this.present |= 1 << number
    this.count++
  }

  addAlias(number: number): void {
    this.aliased |= 1 << number
  }

  /** Index of the first field with this lower-case name, at `from` or after it; -1 = none. */
  indexOf(name: string, from = 0): number {
    for (let i = from; i < this.count; i++) if (this.isNamed(i, name)) return i
    return -1
  }

  /** The number of a field's name; `UNKNOWN` and `ALIAS` are those of many names. */
  number(index: number): number {
    return this.numbers[index] as number
  }

  name(index: number): string {
    return this.text.slice(this.offsets[OFFSETS * index], this.offsets[OFFSETS * index + 1])
  }

  value(index: number): string {
    return this.text.slice(this.offsets[OFFSETS * index + 2], this.offsets[OFFSETS * index + 3])
  }

  /** Start of a field's line in `text`. */
  lineStart(index: number): number {
    return this.offsets[OFFSETS * index] as number
  }

  /** End of a field's value in `text`. */
  valueEnd(index: number): number {
    return this.offsets[OFFSETS * index + 3] as number
  }

  has(number: number): boolean {
    return (this.present & (1 << number)) !== 0
  }

  /** Whether a server that reads `_` as `-` would take one of the fields for one with this number. */
  hasAlias(number: number): boolean {
    return (this.aliased & (1 << number)) !== 0
  }

  /** Number of fields with this name's number. */
  countOf(number: number): number {
    if (!this.has(number)) return 0
    let count = 0
    for (let i = 0; i < this.count; i++) if (this.numbers[i] === number) count++
    return count
  }

  /** The values of all fields with this number, joined by `, `; empty if there is none. */
  joined(number: number): string {
    if (number === UNKNOWN || !this.has(number)) return ''
    let all: string | null = null
    for (let i = 0; i < this.count; i++) {
      if (this.numbers[i] === number) all = all === null ? this.value(i) : `${all}, ${this.value(i)}`
    }
    return all ?? ''
  }

  private isNamed(index: number, name: string): boolean {
    const { text, offsets } = this
    const start = offsets[OFFSETS * index] as number
    if ((offsets[OFFSETS * index + 1] as number) - start !== name.length) return false
    for (let i = 0; i < name.length; i++) {
      const code = text.charCodeAt(start + i)
      const lower = code >= UPPER_A && code <= UPPER_Z ? code + CASE : code
      if (lower !== name.charCodeAt(i)) return false
    }
    return true
  }

  /** Names and values of all fields, alternating. */
  pairs(): string[] {
    const pairs: string[] = []
    for (let i = 0; i < this.count; i++) pairs.push(this.name(i), this.value(i))
    return pairs
  }
}
