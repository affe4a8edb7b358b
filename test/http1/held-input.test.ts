import { expect, test } from 'vitest'
import { HeldInput } from '../../src/http1/held-input.ts'

function taken(input: HeldInput): string {
  let text = ''
  while (input.bytes > 0) text += input.shift().toString()
  return text
}

test('input is taken in the order in which it came, whatever its sizes', () => {
  const input = new HeldInput()
  let expected = ''
  for (let i = 0; i < 500; i++) {
    const piece = `${i},`.repeat(i % 7 === 0 ? 400 : 1)
    expected += piece
    input.push(Buffer.from(piece))
    if (i % 13 !== 0) continue
    const first = input.shift()
    const rest = first.subarray(1)
    expect(expected.startsWith(first.toString())).toBe(true)
    expected = expected.slice(1)
    if (rest.length > 0) input.unshift(rest)
  }
  expect(input.bytes).toBe(expected.length)
  expect(taken(input)).toBe(expected)
})

test('many small pieces become few', () => {
  const input = new HeldInput()
  for (let i = 0; i < 60_000; i++) input.push(Buffer.from('x'))
  expect(input.bytes).toBe(60_000)
  const pieces = input.takeAll()
  expect([pieces.length < 20, Buffer.concat(pieces).length, input.bytes]).toEqual([true, 60_000, 0])
})
