import { UNKNOWN } from './field-names.ts'

/** Bytes of a name, colon and line end aside. */
const OFFSETS = 4

/**
 * The fields of one message in the order they came, as places in its head. Nothing becomes a string that nobody asks for.
 */
export class Fields {
  /** The head, one character a byte. */
  text = ''
  /** How many there are. */
  count = 0
  /** A bit for each number that one of them has. */
  private present = 0
  /** A bit for each number that one of them would have if `_` were `-`. */
  private aliased = 0
  private readonly numbers: number[] = []
  /** Of each field: where its name begins and ends, and where its value does. */
  private readonly places: number[] = []

  add(number: number, nameStart: number, nameEnd: number, valueStart: number, valueEnd: number): void {
    this.numbers.push(number)
    this.places.push(nameStart, nameEnd, valueStart, valueEnd)
    this.present |= 1 << number
    this.count++
  }

  addAlias(number: number): void {
    this.aliased |= 1 << number
  }

  number(index: number): number {
    return this.numbers[index] as number
  }

  name(index: number): string {
    return this.text.slice(this.places[OFFSETS * index], this.places[OFFSETS * index + 1])
  }

  value(index: number): string {
    return this.text.slice(this.places[OFFSETS * index + 2], this.places[OFFSETS * index + 3])
  }

  /** Where the line of a field begins in `text`. */
  lineStart(index: number): number {
    return this.places[OFFSETS * index] as number
  }

  /** Where a field's value ends in `text`. */
  valueEnd(index: number): number {
    return this.places[OFFSETS * index + 3] as number
  }

  has(number: number): boolean {
    return (this.present & (1 << number)) !== 0
  }

  /** Whether a field is there that servers which read `_` as `-` take for one of this number. */
  hasAlias(number: number): boolean {
    return (this.aliased & (1 << number)) !== 0
  }

  /** How many fields have this number. */
  countOf(number: number): number {
    if (!this.has(number)) return 0
    let count = 0
    for (let i = 0; i < this.count; i++) if (this.numbers[i] === number) count++
    return count
  }

  /** The values of all fields of this number, joined by commas; empty where there is none. */
  joined(number: number): string {
    if (number === UNKNOWN || !this.has(number)) return ''
    let all: string | null = null
    for (let i = 0; i < this.count; i++) {
      if (this.numbers[i] === number) all = all === null ? this.value(i) : `${all}, ${this.value(i)}`
    }
    return all ?? ''
  }

  /** Name and value of each field in turn. */
  pairs(): string[] {
    const pairs: string[] = []
    for (let i = 0; i < this.count; i++) pairs.push(this.name(i), this.value(i))
    return pairs
  }
}
