import { expect, test } from 'vitest'
import { BodyReader } from '../../src/http1/body-reader.ts'
import { FieldNames } from '../../src/http1/field-names.ts'

const NAMES = new FieldNames()
const CHUNKED = { kind: 'chunked', length: -1 } as const

/** Reads `bytes` in pieces that end at `cuts`; returns what is passed on, with the last chunk behind it. */
function forwarded(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const reader = new BodyReader(CHUNKED, NAMES)
  const passed: Buffer[] = []
  const sink = { onBody: (piece: Buffer) => passed.push(piece) }
  let from = 0
  for (const to of [...cuts, bytes.length]) {
    if (to > from) reader.read(bytes.subarray(from, to), 0, sink)
    from = Math.max(from, to)
  }
  expect([reader.refusal, reader.isDone]).toEqual([null, true])
  return [...passed, Buffer.from('0\r\n\r\n')]
}

/** The body of a message in chunks. */
function bodyOf(bytes: Buffer): string {
  const reader = new BodyReader(CHUNKED, NAMES)
  reader.isBare = true
  const pieces: Buffer[] = []
  reader.read(bytes, 0, { onBody: (piece) => pieces.push(piece) })
  expect([reader.refusal, reader.isDone]).toEqual([null, true])
  return Buffer.concat(pieces).toString('latin1')
}

const chunk = (text: string, extension = '') => `${text.length.toString(16)}${extension}\r\n${text}\r\n`
const letters = (count: number) => Array.from({ length: count }, (_, i) => String.fromCharCode(97 + (i % 26)))

test('many small chunks are passed on as one', () => {
  const bytes = Buffer.from(
    `${letters(10_000)
      .map((each) => chunk(each))
      .join('')}0\r\n\r\n`,
  )
  const passed = forwarded(bytes, [])
  expect(passed).toHaveLength(2)
  expect(bodyOf(Buffer.concat(passed))).toBe(letters(10_000).join(''))
})

test('few or large chunks keep their framing', () => {
  const bytes = Buffer.from(`${chunk('x'.repeat(500)).repeat(20)}${chunk('y').repeat(5)}0\r\n\r\n`)
  expect(Buffer.concat(forwarded(bytes, [])).equals(bytes)).toBe(true)
})

test('wherever the input is cut, small chunks and large ones come to the same body', () => {
  const text = [
    chunk('first, and longer than the others'),
    ...letters(40).map((each, i) => chunk(each, i % 5 === 0 ? ';a=b' : '')),
    chunk('z'.repeat(400)),
    ...letters(30).map((each) => chunk(each + each)),
    '0\r\n\r\n',
  ].join('')
  const bytes = Buffer.from(text)
  const body = bodyOf(bytes)
  for (let at = 1; at < bytes.length; at++) {
    expect(bodyOf(Buffer.concat(forwarded(bytes, [at]))), `cut at ${at}`).toBe(body)
    const more = [at, Math.min(bytes.length, at + 150), Math.min(bytes.length, at + 301)]
    expect(bodyOf(Buffer.concat(forwarded(bytes, more))), `cut at ${more}`).toBe(body)
  }
})
