import { expect, test } from 'vitest'
import { Answers } from '../../src/store/answers.ts'

test('no more than 10,000 answers are kept: the oldest is dropped first, and one that is set again is the newest', () => {
  const answers = new Answers()
  for (let i = 0; i < 10_000; i++) answers.set(`key${i}`, { i })
  answers.set('key0', { again: true })
  answers.set('one more', {})
  expect([answers.get('key0'), answers.get('key1'), answers.get('key2')]).toEqual([{ again: true }, null, { i: 2 }])
})
