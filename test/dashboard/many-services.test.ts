import { afterAll, beforeAll, expect, test } from 'vitest'
import { Cutover } from '../support/cutover.ts'
import { expectSoon, useBrowser } from './support.ts'

const COUNT = 1_000
/** So that all but a few stay out of the page: a large screen has a dozen rows. */
const MAX_ROWS = 60
/** From the beginning of the navigation to the first row, ms. On a quiet machine it is well below one second. */
const FIRST_ROW_MS = 3_000
const MAX_VISITS = 6
const visits = useBrowser()
let cutover: Cutover

beforeAll(async () => {
  const names = Array.from({ length: COUNT }, (_, i) => `service-${String(i + 1).padStart(4, '0')}`)
  const pool = (name: string) => ({ servers: { [name]: 'http://127.0.0.1:9' } })
  const services = names.map((name) => [
    name,
    {
      hosts: [`${name}.test`],
      pools: { blue: pool(`${name}-b1`), green: pool(`${name}-g1`) },
      split: { blue: 100 },
      health: 'off',
    },
  ])
  cutover = await Cutover.start({ services: Object.fromEntries(services) })
})
afterAll(() => cutover?.stop('SIGKILL'))

test('shows the first of a thousand services soon, and keeps few rows in the page', async () => {
  const times: number[] = []
  // The first visit warms the instance up; others have the machine now and then.
  while (times.length < 2 || (Math.min(...times.slice(1)) >= FIRST_ROW_MS && times.length < MAX_VISITS)) {
    const page = await visits.blank(cutover.admin)
    const begin = performance.now()
    await page.goto(cutover.admin, { waitUntil: 'commit' })
    const list = page.getByRole('list', { name: 'Services' })
    await list.getByRole('link', { name: /^service-0001/ }).waitFor()
    times.push(Math.round(performance.now() - begin))
    expect(await list.getByRole('listitem').count()).toBeLessThan(MAX_ROWS)
    await page.getByText('1,000 in all').waitFor()
    await page.context().close()
  }
  const [first = 0, ...warm] = times
  console.log(`first row of ${COUNT} services: ${warm.join(', ')} ms (first visit: ${first} ms)`)
  expect(Math.min(...warm)).toBeLessThan(FIRST_ROW_MS)
})

test('shows the last one at the end, and finds one by its name', async () => {
  const page = await visits.to(cutover.admin)
  const list = page.getByRole('list', { name: 'Services' })
  await list.getByRole('link', { name: /^service-0001/ }).waitFor()
  expect(await list.getByRole('link', { name: /^service-1000/ }).count()).toBe(0)
  await page.keyboard.press('End')
  const last = list.getByRole('link', { name: /^service-1000/ })
  await last.waitFor()
  expect(await list.getByRole('listitem').count()).toBeLessThan(MAX_ROWS)
  await expectSoon(
    () => last.evaluate((row) => row.getBoundingClientRect().bottom <= row.ownerDocument.documentElement.clientHeight),
    (isInSight) => expect(isInSight).toBe(true),
  )
  await page.getByRole('searchbox').fill('0500')
  await list.getByRole('link', { name: /^service-0500/ }).waitFor()
  expect(await list.getByRole('link').count()).toBe(1)
  await page.getByRole('searchbox').fill('')
  await list.getByRole('link').nth(5).waitFor()
  await list.getByRole('link').first().click()
  await page.getByRole('heading', { name: /^service-\d{4}$/ }).waitFor()
  await page.goBack()
  await list.getByRole('link').nth(5).waitFor()
})
