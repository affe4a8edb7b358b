import { readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { ROOMS, roomOverrides } from '../../scripts/rooms.ts'

function read(file: string): string {
  return readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8')
}

test('biome.json says of each room what scripts/rooms.ts says: npm run rooms brings it up to date', () => {
  expect(JSON.parse(read('biome.json')).overrides).toEqual(roomOverrides())
})

test('each folder of src/ is a room, and docs/architecture.md tells what is in it', () => {
  const entries = readdirSync(new URL('../../src', import.meta.url), { withFileTypes: true })
  const folders = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name)
  expect(Object.keys(ROOMS).sort()).toEqual(folders.sort())
  const documented = [...read('docs/architecture.md').matchAll(/^\| `([a-z0-9]+)\/` \|/gm)].map(([, room = '']) => room)
  expect(documented.sort()).toEqual(folders)
})
