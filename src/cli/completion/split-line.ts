/** Splits the beginning of a line into words as a shell does; the last word is the one that is being written. */
export function splitLine(line: string): string[] {
  const words: string[] = []
  let word: string | null = null
  for (const [, quoted, escaped, blank, plain] of line.matchAll(/("[^"]*(?:"|$)|'[^']*(?:'|$))|\\(.)|(\s+)|(.)/gs)) {
    if (blank === undefined) {
      word = `${word ?? ''}${quoted === undefined ? (escaped ?? plain ?? '') : quoted.replaceAll(quoted[0] ?? '', '')}`
      continue
    }
    if (word !== null) words.push(word)
    word = null
  }
  return [...words, word ?? '']
}
