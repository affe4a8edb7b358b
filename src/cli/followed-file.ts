import { type FileHandle, open, stat } from 'node:fs/promises'
import { StringDecoder } from 'node:string_decoder'
import { pause } from './interrupt.ts'

/** Time between two looks at a file, ms. Events of the file system do not come from all file systems. */
const LOOK_MS = 200
const PIECE_BYTES = 64 * 1024

/** The last lines of a file, and where it ends. Throws errors of the file system. */
export async function lastLines(path: string, count: number): Promise<{ lines: string[]; end: number }> {
  const file = await open(path)
  try {
    const { size } = await file.stat()
    const pieces: Buffer[] = []
    let breaks = 0
    // Backwards, until there is one line break more than lines are wanted.
    for (let at = size; at > 0 && breaks <= count; ) {
      const length = Math.min(PIECE_BYTES, at)
      at -= length
      const piece = await read(file, at, length)
      breaks += piece.filter((byte) => byte === NEWLINE).length
      pieces.unshift(piece)
    }
    const text = Buffer.concat(pieces).toString()
    const whole = text.slice(0, text.lastIndexOf('\n') + 1)
    const lines = whole.split('\n').slice(0, -1)
    return { lines: count === 0 ? [] : lines.slice(-count), end: size - Buffer.byteLength(text.slice(whole.length)) }
  } finally {
    await file.close()
  }
}

const NEWLINE = 10

/**
 * The lines that are appended to a file from `position` on, until `signal` is aborted. Goes on with the next file when it was
 * renamed, and from the begin when it was cut. Throws errors of the file system.
 */
export async function* followedFile(path: string, position: number, signal: AbortSignal): AsyncGenerator<string> {
  let file = await open(path)
  let at = position
  let rest = ''
  let decoder = new StringDecoder()
  try {
    while (!signal.aborted) {
      const { size, ino } = await file.stat()
      if (size < at) at = 0
      if (size > at) {
        const piece = await read(file, at, Math.min(PIECE_BYTES, size - at))
        at += piece.length
        const lines = `${rest}${decoder.write(piece)}`.split('\n')
        rest = lines.pop() ?? ''
        yield* lines
        continue
      }
      const now = await stat(path).catch(() => null)
      if (now !== null && now.ino !== ino) {
        // What was written before the new file was seen.
        if ((await file.stat()).size > at) continue
        await file.close()
        file = await open(path)
        at = 0
        rest = ''
        decoder = new StringDecoder()
        continue
      }
      await pause(LOOK_MS, signal)
    }
  } finally {
    await file.close()
  }
}

async function read(file: FileHandle, at: number, length: number): Promise<Buffer> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, at)
  return buffer.subarray(0, bytesRead)
}
