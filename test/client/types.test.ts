import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { clientFiles } from '../../scripts/client-types.ts'
import { QUERIES } from '../../src/client/operations.ts'
import { useShop } from '../admin/support.ts'

const shop = useShop()

const read = (file: string): string => readFileSync(new URL(`../../src/client/${file}`, import.meta.url), 'utf8')

test('the types of the client are those of the API: npm run client brings them up to date', async () => {
  for (const [name, text] of Object.entries(clientFiles(await shop.done('GET', '/api/openapi.json')))) {
    expect([name, read(name)]).toEqual([name, text])
  }
})

test('every operation of the API is a method of the client', () => {
  const named = [...read('create-client.ts').matchAll(/verb\('([^']+)'\)/g)].map(([, route]) => route)
  expect(named.toSorted()).toEqual(Object.keys(QUERIES).toSorted())
})
