import { stripVTControlCharacters } from 'node:util'

/** Text from the API without what would steer a terminal. */
export function harmless(text: string): string {
  return stripVTControlCharacters(text).replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, ' ')
}

/** Columns that a text takes. */
export function widthOf(text: string): number {
  return [...stripVTControlCharacters(text)].length
}

/** Cuts a text to so many columns; its colours stay. */
export function fitted(text: string, columns: number): string {
  if (widthOf(text) <= columns) return text
  let left = Math.max(0, columns - 1)
  let cut = ''
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the sequences that colour a text
  for (const [piece, isColour] of text.matchAll(/(\u001b\[[\d;]*m)|./gsu)) {
    if (isColour === undefined && left-- <= 0) continue
    cut += piece
    if (isColour === undefined && left === 0) cut += '…'
  }
  return cut
}

/** Breaks a text into lines of so many columns, between words. */
export function wrapped(text: string, columns: number): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && widthOf(line) + 1 + widthOf(word) > columns) {
      lines.push(line)
      line = word
    } else line = line === '' ? word : `${line} ${word}`
  }
  return [...lines, line]
}
