import { afterAll, beforeAll, expect, test } from 'vitest'
import { Cutover } from '../support/cutover.ts'
import { Load } from '../support/load.ts'
import { freePort, startUpstream, type Upstream } from '../support/upstream.ts'
import { button, expectSoon, isFocused, splitIs, useBrowser } from './support.ts'

const visits = useBrowser()
let cutover: Cutover
let upstream: Upstream

beforeAll(async () => {
  upstream = await startUpstream(
    (request, response) => {
      request.resume()
      setTimeout(() => response.end('one'), 10)
    },
    { name: 'one' },
  )
  const pools = { blue: { servers: { blue1: upstream.url } }, green: { servers: { green1: upstream.url } } }
  const nobody = `http://127.0.0.1:${await freePort()}`
  const health = { interval: '100ms', fall: 1 }
  cutover = await Cutover.start({
    services: {
      api: { hosts: ['api.test'], pools, split: { blue: 75, green: 25 }, health },
      basket: { hosts: ['basket.test'], pools, split: { blue: 100 }, health },
      // Nobody listens there, which makes it the first one of the list.
      search: { hosts: ['search.test'], pools: { main: { servers: { main1: nobody } } }, split: { main: 100 }, health },
    },
  })
})
afterAll(async () => {
  await cutover?.stop('SIGKILL')
  await upstream?.close()
})

test('lists the services with their split and rate, those with problems first', async () => {
  const load = new Load({ url: `${cutover.proxy}/`, hostHeader: 'api.test', clients: 2, names: ['one'] })
  const page = await visits.to(cutover.admin)
  const services = page.getByRole('list', { name: 'Services' })
  const names = () => services.getByRole('link').locator('b:first-child').allInnerTexts()
  await services.getByRole('link', { name: /search.*no server is up/s }).waitFor()
  await expectSoon(names, (found) =>
    expect(found.map((each) => each.split(' ')[0])).toEqual(['search', 'api', 'basket']),
  )
  await page.getByText('1 needs a look').waitFor()
  const api = services.getByRole('link', { name: /^api/ })
  await splitIs(api, 'blue 75 %, green 25 %')
  await splitIs(services.getByRole('link', { name: /^basket/ }), 'blue 100 %')
  await expectSoon(
    () => api.getByText(/^[\d,.]+\/s$/).innerText(),
    (rate) => expect(Number.parseFloat(rate)).toBeGreaterThan(10),
  )
  expect((await load.stop()).failures).toEqual({})
})

test('searches services by the / key, and says if none matches', async () => {
  const page = await visits.to(cutover.admin)
  const services = page.getByRole('list', { name: 'Services' })
  await services.getByRole('link').nth(2).waitFor()
  await page.keyboard.press('/')
  await page.keyboard.type('BASK')
  await expectSoon(
    () => services.getByRole('link').allInnerTexts(),
    (found) => expect(found.map((each) => each.slice(0, 6))).toEqual(['basket']),
  )
  await page.keyboard.type('x')
  await page.getByRole('status').getByText('No service matches “BASKx”.').waitFor()
  const search = page.getByRole('searchbox', { name: 'Search services' })
  expect(await search.inputValue()).toBe('BASKx')
  // By the name of a server.
  await search.fill('main1')
  await services.getByRole('link', { name: /^search/ }).waitFor()
  await page.keyboard.press('Escape')
  await services.getByRole('link').nth(2).waitFor()
})

test('finds the search from another view by the / key', async () => {
  const page = await visits.to(cutover.admin, '#/fleet')
  await page.getByRole('heading', { name: 'Fleet' }).waitFor()
  await page.keyboard.press('/')
  const search = page.getByRole('searchbox', { name: 'Search services' })
  await search.waitFor()
  await expectSoon(
    () => isFocused(search),
    (isSo) => expect(isSo).toBe(true),
  )
  expect(await search.inputValue()).toBe('')
})

test('explains which service and pool a request would get', async () => {
  const page = await visits.to(cutover.admin, '#/explain')
  await page.getByLabel('Host').fill('basket.test')
  await page.getByLabel('Path and query').fill('/orders?id=1')
  await button(page, 'Explain').click()
  const answer = page.getByRole('region', { name: 'Answer' })
  await answer.getByRole('heading', { name: /^basket/ }).waitFor()
  await answer.getByText('blue1').waitFor()
  await page.getByLabel('Host').fill('nobody.test')
  await button(page, 'Explain').click()
  await answer.getByRole('heading', { name: 'No service answers to it' }).waitFor()
})

test('says what is not there', async () => {
  const page = await visits.to(cutover.admin, '#/services/nothing')
  await page.getByText('There is no service of this name.').waitFor()
  await page.goto(`${cutover.admin}/#/nowhere`)
  await page.getByRole('heading', { name: 'Nothing here' }).waitFor()
  await page.getByRole('link', { name: 'All services' }).click()
  await page.getByRole('heading', { name: 'Services', exact: true }).waitFor()
})
