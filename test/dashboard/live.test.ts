import { setTimeout as pause } from 'node:timers/promises'
import { beforeEach, expect, test } from 'vitest'
import { Cutover } from '../support/cutover.ts'
import { atEnd } from '../support/endings.ts'
import { patience } from '../support/patience.ts'
import { Relay } from '../support/relay.ts'
import { Shop } from './shop.ts'
import { button, close, dialog, splitIs, useBrowser } from './support.ts'

/** What the browser logs when nobody answers, or when a connection breaks. */
const AWAY = /net::ERR_/
const SHOP = '#/services/shop'
const visits = useBrowser()
let shop: Shop

beforeEach(async () => {
  shop = await Shop.start()
  // After the windows are closed.
  atEnd(() => shop.stop())
})

test('shows what somebody else has changed, without a reload', async () => {
  const pages = [await visits.to(shop.url, SHOP), await visits.to(shop.url), await visits.to(shop.url, '#/events')]
  const [acting, watching, events] = pages as [(typeof pages)[0], (typeof pages)[0], (typeof pages)[0]]
  await splitIs(watching, 'blue 100 %')
  await events.getByRole('heading', { name: 'Events' }).waitFor()
  await watching.evaluate('window.isSamePage = true')
  await button(acting, 'Switch…').click()
  await dialog(acting).getByLabel('Reason').fill('from the other desk')
  await button(dialog(acting), 'Switch to green').click()
  await splitIs(watching, 'green 100 %')
  await events.getByText('from the other desk').first().waitFor()
  expect(await watching.evaluate('window.isSamePage')).toBe(true)
  await dialog(acting).getByText('Complete.').waitFor()
  await close(acting)
})

test('shows changes that come faster than the history can be read', async () => {
  const page = await visits.blank(shop.url)
  await page.route('**/history*', async (route) => {
    await pause(1_000)
    await route.continue()
  })
  await page.goto(`${shop.url}/${SHOP}`)
  await splitIs(page, 'blue 100 %')
  let goesOn = true
  const changing = (async () => {
    for (let i = 0; goesOn; i = (i + 1) % 90) {
      await shop.post('services/shop/shift?wait=10s', { to: 'green', percent: 1 + i })
      await pause(200)
    }
  })()
  try {
    await page.getByRole('listitem').filter({ hasText: 'shift' }).first().waitFor()
  } finally {
    goesOn = false
    await changing
  }
  await page.unrouteAll({ behavior: 'wait' })
})

test('says that the instance does not answer, and catches up with what was changed meanwhile', async () => {
  const relay = await Relay.start(Number(new URL(shop.url).port))
  atEnd(() => relay.stop())
  const page = await visits.to(`http://127.0.0.1:${relay.port}`, SHOP, { provoked: AWAY })
  await splitIs(page, 'blue 100 %')
  await relay.cut()
  await page.getByText(/This instance does not answer\. Trying again\. What you see is from \d+ s ago/).waitFor()
  await splitIs(page, 'blue 100 %')
  await shop.switch('green')
  await relay.heal()
  await splitIs(page, 'green 100 %')
  await page.getByText(/does not answer/).waitFor({ state: 'hidden' })
  // The events are followed again, too.
  await shop.switch('blue')
  await splitIs(page, 'blue 100 %')
})

test('goes on within seconds after a network that was silent for longer than a request may take', async () => {
  const relay = await Relay.start(Number(new URL(shop.url).port))
  atEnd(() => relay.stop())
  const page = await visits.to(`http://127.0.0.1:${relay.port}`, SHOP, { provoked: AWAY })
  await splitIs(page, 'blue 100 %')
  relay.freeze()
  await page.getByText('This instance does not answer.').waitFor()
  await shop.switch('green')
  relay.thaw()
  const begin = performance.now()
  await splitIs(page, 'green 100 %')
  // A reading that has begun in the silence is over, and the pause after it.
  expect(performance.now() - begin).toBeLessThan(patience(17_000))
  await page.getByText(/does not answer/).waitFor({ state: 'hidden' })
})

test('goes on when the instance was killed and started again', async () => {
  const port = new URL(shop.url).port
  const page = await visits.to(shop.url, '', { provoked: AWAY })
  await splitIs(page, 'blue 100 %')
  await shop.switch('green')
  await splitIs(page, 'green 100 %')
  shop.cutover.process.kill('SIGKILL')
  await page.getByText(/does not answer/).waitFor()
  await shop.cutover.exited
  const before = shop.cutover
  shop.cutover = await Cutover.start({
    ...shop.options,
    admin: { listen: `127.0.0.1:${port}` },
    dataPath: before.dataPath,
  })
  atEnd(() => before.stop())
  await page.getByText(/does not answer/).waitFor({ state: 'hidden' })
  await shop.switch('blue')
  await splitIs(page, 'blue 100 %')
})

test('says so if the instance does not answer when the page is opened anew, and begins once it does', async () => {
  const relay = await Relay.start(Number(new URL(shop.url).port))
  atEnd(() => relay.stop())
  const url = `http://127.0.0.1:${relay.port}`
  const page = await visits.blank(url, { provoked: AWAY })
  await page.route('**/api/**', (route) => route.abort())
  await page.goto(url)
  await page.getByText('This instance does not answer. Trying again.').waitFor()
  await page.unroute('**/api/**')
  await splitIs(page, 'blue 100 %')
  await page.getByText(/does not answer/).waitFor({ state: 'hidden' })
})

test('shows in the words of the API why the page cannot begin, and begins once it can', async () => {
  const page = await visits.blank(shop.url, { statuses: [503] })
  const problem = { type: 'about:blank', title: 'Not ready', status: 503, detail: 'It is still starting.' }
  await page.route('**/api/**', (route) =>
    route.fulfill({ status: 503, contentType: 'application/problem+json', body: JSON.stringify(problem) }),
  )
  await page.goto(shop.url)
  await page.getByText('Not ready: It is still starting. Trying again.').waitFor()
  await page.unroute('**/api/**')
  await splitIs(page, 'blue 100 %')
  await page.getByText(/Not ready/).waitFor({ state: 'hidden' })
})
