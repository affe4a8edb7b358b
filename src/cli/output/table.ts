import { widthOf, wrapped } from './text.ts'

const GAP = '  '
/** The least width of a last column that is wrapped. */
const LEAST = 20

/**
 * Lines of a table: columns as wide as they need to be, two blanks between them. `numbers`: columns set to the right.
 * `columns`: width of the terminal, to which the text of the last column is wrapped.
 */
export function tableLines(
  rows: readonly (readonly string[])[],
  numbers: readonly number[] = [],
  columns = Number.POSITIVE_INFINITY,
): string[] {
  const count = Math.max(0, ...rows.map((row) => row.length))
  const widths = Array.from({ length: count }, (_, i) => Math.max(...rows.map((row) => widthOf(row[i] ?? ''))))
  const before = widths.slice(0, -1).reduce((sum, width) => sum + width + GAP.length, 0)
  const room = Math.max(LEAST, columns - before)
  const lineOf = (row: readonly string[]): string =>
    row
      .map((cell, i) => {
        const blanks = ' '.repeat(Math.max(0, (widths[i] ?? 0) - widthOf(cell)))
        return numbers.includes(i) ? blanks + cell : cell + blanks
      })
      .join(GAP)
      .trimEnd()
  return rows.flatMap((row) => {
    const last = row.length === count ? (row[count - 1] ?? '') : ''
    if (widthOf(last) <= room) return [lineOf(row)]
    const [first = '', ...more] = wrapped(last, room).flatMap((line) => pieces(line, room))
    return [lineOf([...row.slice(0, -1), first]), ...more.map((line) => ' '.repeat(before) + line)]
  })
}

/** A word that is too long, such as a url, in pieces. */
function pieces(line: string, columns: number): string[] {
  if (widthOf(line) <= columns) return [line]
  const characters = [...line]
  const count = Math.ceil(characters.length / columns)
  return Array.from({ length: count }, (_, i) => characters.slice(i * columns, (i + 1) * columns).join(''))
}
