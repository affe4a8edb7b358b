import { type Stream, sizeOf } from './terminal.ts'
import { fitted } from './text.ts'

const HIDE_CURSOR = '\u001b[?25l'
const SHOW_CURSOR = '\u001b[?25h'
/** Terminals that know these show everything between them at once (DEC mode 2026); others ignore them. */
const BEGIN_FRAME = '\u001b[?2026h'
const END_FRAME = '\u001b[?2026l'
const CLEAR_LINE_END = '\u001b[K'
const CLEAR_BELOW = '\u001b[J'

/**
 * Draws lines in place again and again. Each frame is one write that overwrites the one before, so that nothing is blank in
 * between; the last frame stays on the terminal.
 */
export class Screen {
  private readonly stream: Stream
  private height = 0

  constructor(stream: Stream) {
    this.stream = stream
  }

  draw(lines: readonly string[]): void {
    const { columns, rows } = sizeOf(this.stream)
    const shown = withinRows(lines, rows)
    const up = this.height === 0 ? HIDE_CURSOR : `\u001b[${Math.min(this.height, rows - 1)}A\r`
    const text = shown.map((line) => `${fitted(line, columns)}${CLEAR_LINE_END}\n`).join('')
    this.stream.write(`${BEGIN_FRAME}${up}${text}${CLEAR_BELOW}${END_FRAME}`)
    this.height = shown.length
  }

  /** Ends the drawing; to be called in any case, or the cursor stays hidden. */
  end(): void {
    if (this.height > 0) this.stream.write(SHOW_CURSOR)
    this.height = 0
  }
}

/** The line below the last one has to fit, too: a frame that scrolls could not be overwritten. */
function withinRows(lines: readonly string[], rows: number): readonly string[] {
  const most = Math.max(1, rows - 1)
  if (lines.length <= most) return lines
  return [...lines.slice(0, most - 1), `… ${lines.length - most + 1} more lines; the window is too small`]
}
