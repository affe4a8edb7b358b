/** A message before it is bytes, so that it can be damaged. Text is latin1: one character a byte. */
export interface Draft {
  readonly start: string
  /** Field lines without their ends. */
  readonly lines: readonly string[]
  /** All that stands behind the head. */
  readonly payload: string
}

/** The whole message as text. */
export function textOf({ start, lines, payload }: Draft): string {
  return `${[start, ...lines].join('\r\n')}\r\n\r\n${payload}`
}

export function bytesOf(text: string): Buffer {
  return Buffer.from(text, 'latin1')
}

/** With a line more, anywhere. */
export function withLine(draft: Draft, line: string, at: number): Draft {
  const place = at % (draft.lines.length + 1)
  return { ...draft, lines: draft.lines.toSpliced(place, 0, line) }
}

/** Without the lines of these fields. */
export function without(draft: Draft, ...names: readonly string[]): Draft {
  const isNamed = (line: string) => names.some((name) => line.toLowerCase().startsWith(`${name}:`))
  return { ...draft, lines: draft.lines.filter((line) => !isNamed(line)) }
}

/** With another framing and what stands behind the head. */
export function reframed(draft: Draft, lines: readonly string[], payload: string, at: number): Draft {
  const bare = without(draft, 'content-length', 'transfer-encoding')
  const place = at % (bare.lines.length + 1)
  return { ...bare, lines: bare.lines.toSpliced(place, 0, ...lines), payload }
}

/** With one line end of the head, the blank line's included, replaced. */
export function withLineEnd(draft: Draft, end: string, at: number): string {
  const lines = [draft.start, ...draft.lines, '']
  const place = at % lines.length
  return lines.map((line, i) => line + (i === place ? end : '\r\n')).join('') + draft.payload
}
