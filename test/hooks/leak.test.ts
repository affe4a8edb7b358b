import { afterAll, beforeAll, expect, test } from 'vitest'
import { pids } from '../process/support.ts'
import { HookedShop } from './support.ts'

const RELOADS = 100
/** A module of about a megabyte. Its strings differ between versions, since equal ones are shared. */
const list = (version: number) =>
  `export const list = [${Array.from({ length: 5_000 }, (_, i) => `"${version}.${i} ${'x'.repeat(200)}"`).join(',')}]`

let shop: HookedShop
beforeAll(async () => {
  // All versions together would need several times as much.
  shop = await HookedShop.start({ proxy: { workers: 1 }, env: { NODE_OPTIONS: '--max-old-space-size=96' } })
})
afterAll(() => shop.stop())

test(`${RELOADS} reloads of a module of a megabyte: no version is kept`, async () => {
  const processes = [...(await pids(shop.cutover, 'worker')), ...(await pids(shop.cutover, 'control'))]
  for (let i = 1; i <= RELOADS; i++) {
    await shop.write('list.js', list(i))
    await shop.use(`import { list } from './list.js'
      export default { request() { return { status: 200, body: list.length + ' ${i}' } } }`)
    expect(await shop.whoAnswers()).toBe(`5000 ${i}`)
  }
  expect([...(await pids(shop.cutover, 'worker')), ...(await pids(shop.cutover, 'control'))]).toEqual(processes)
}, 240_000)
