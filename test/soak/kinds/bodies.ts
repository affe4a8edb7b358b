import type { Connection } from '../../support/connection.ts'
import { Failed } from '../../support/failed.ts'
import type { Head } from '../../support/head.ts'
import { matches } from '../../support/pattern.ts'

/** Reads a body that has to be the pattern of a seed, every byte of it. `pace`: called behind each piece. */
export async function expectPattern(
  connection: Connection,
  head: Head,
  seed: number,
  length: number,
  pace: (bytes: number) => unknown = () => undefined,
): Promise<void> {
  let at = 0
  await connection.body(head, async (chunk) => {
    if (at + chunk.length > length) throw new Failed('surplus bytes', `more than ${length}`)
    if (!matches(chunk, seed, at)) throw new Failed('wrong bytes', `among ${at} to ${at + chunk.length}`)
    at += chunk.length
    await pace(chunk.length)
  })
  if (at < length) throw new Failed('cut short', `${at} of ${length} bytes`)
}

/** Reads a body that has to be this one. */
export async function expectBody(connection: Connection, head: Head, expected: Buffer): Promise<void> {
  const chunks: Buffer[] = []
  await connection.body(head, (chunk) => chunks.push(chunk))
  const body = Buffer.concat(chunks)
  if (body.length < expected.length) throw new Failed('cut short', `${body.length} of ${expected.length} bytes`)
  if (body.length > expected.length) throw new Failed('surplus bytes', `${body.length}, not ${expected.length}`)
  if (!body.equals(expected)) throw new Failed('wrong bytes', body.toString('latin1', 0, 60))
}

/** A whole number from `from` up to, but not including, `to`. */
export function between(from: number, to: number): number {
  return from + Math.floor(Math.random() * (to - from))
}

/** One of these. */
export function pick<T>(values: readonly T[]): T {
  return values[between(0, values.length)] as T
}
