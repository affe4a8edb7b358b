import { widthOf } from './text.ts'

/** Lines of a table: columns as wide as they need to be, two blanks between them. `numbers`: columns set to the right. */
export function tableLines(rows: readonly (readonly string[])[], numbers: readonly number[] = []): string[] {
  const count = Math.max(0, ...rows.map((row) => row.length))
  const widths = Array.from({ length: count }, (_, i) => Math.max(...rows.map((row) => widthOf(row[i] ?? ''))))
  return rows.map((row) =>
    row
      .map((cell, i) => {
        const blanks = ' '.repeat((widths[i] ?? 0) - widthOf(cell))
        return numbers.includes(i) ? blanks + cell : cell + blanks
      })
      .join('  ')
      .trimEnd(),
  )
}
