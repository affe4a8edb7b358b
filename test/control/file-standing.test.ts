import { describe, expect, test } from 'vitest'
import { earlierFiles, fileStanding, outdatedReason } from '../../src/control/file-standing.ts'
import type { AppliedConfiguration } from '../../src/model/state.ts'

function applied(hash: string, version?: number, earlier?: string[]): AppliedConfiguration {
  return {
    hash,
    services: {},
    ...(version === undefined ? {} : { version }),
    ...(earlier === undefined ? {} : { earlier }),
  }
}

describe('a file compared with the one in force', () => {
  test.for<[string, number | null, AppliedConfiguration, string]>([
    ['a', 2, applied('a', 2), 'inForce'],
    ['b', 3, applied('a', 2), 'newer'],
    ['b', 1, applied('a', 2), 'older'],
    ['b', 2, applied('a', 2), 'differs'],
    ['a', 3, applied('a', 2), 'newer'],
    ['b', null, applied('a', 2), 'older'],
    ['a', null, applied('a', 2), 'inForce'],
    ['b', 1, applied('a'), 'newer'],
    ['b', null, applied('a'), 'newer'],
    ['b', null, applied('a', undefined, ['b']), 'older'],
    ['a', null, applied('a', undefined, ['b']), 'inForce'],
  ])('%s, version %s, against %j: %s', ([hash, version, inForce, standing]) => {
    expect(fileStanding({ hash, version }, inForce)).toBe(standing)
  })
})

test('a reload applies any file without versions; with versions, only a higher one, and says why', () => {
  expect(outdatedReason({ hash: 'b', version: null }, applied('a', undefined, ['b']), 'older')).toBeNull()
  expect(outdatedReason({ hash: 'b', version: 1 }, applied('a', 2), 'older')).toBe(
    'The file has configVersion 1; a file with configVersion 2 is in force in the fleet. Give this one a higher configVersion.',
  )
  expect(outdatedReason({ hash: 'b', version: null }, applied('a', 2), 'older')).toContain(
    'The file has no configVersion;',
  )
})

test('the last 100 files that were in force are remembered, without the one in force now', () => {
  expect(earlierFiles(null, { hash: 'a', version: null })).toEqual([])
  expect(earlierFiles(applied('b', undefined, ['a']), { hash: 'a', version: null })).toEqual(['b'])
  const many = Array.from({ length: 150 }, (_, i) => `${i}`)
  const kept = earlierFiles(applied('last', undefined, many), { hash: 'new', version: null })
  expect([kept.length, kept[0], kept.at(-1)]).toEqual([100, '51', 'last'])
})
