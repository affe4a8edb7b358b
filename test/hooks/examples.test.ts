import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, expect, onTestFinished, test } from 'vitest'
import { logged } from '../proxy/support.ts'
import { HookedShop, type Setting } from './support.ts'

const EXAMPLES = fileURLToPath(new URL('../../examples/hooks', import.meta.url))

let shop: HookedShop
afterEach(() => shop.stop())

async function start(name: string, more: Setting = {}): Promise<HookedShop> {
  shop = await HookedShop.start({ ...more, proxy: { hooks: join(EXAMPLES, name) } })
  return shop
}

test('auth by header', async () => {
  await start('auth-by-header.ts')
  const refused = await shop.ask('/', { headers: { authorization: 'Bearer guess', 'x-user': 'ann' } })
  expect([refused.status, refused.headers.get('www-authenticate')]).toEqual([401, 'Bearer'])
  expect(await shop.whoAnswers()).toBe('401')
  expect(shop.blue.requests).toEqual([])
  const headers = { authorization: 'Bearer secret-of-ann', 'x-user': 'root' }
  expect(await shop.whoAnswers('/in', { headers })).toBe('blue1')
  expect(shop.blue.requests.at(-1)?.headers['x-user']).toBe('ann')
  expect(await logged(shop.cutover, '/in')).toMatchObject({ tags: { user: 'ann' } })
})

test('canary by user list', async () => {
  await start('canary-by-user-list.ts')
  for (const [user, server] of Object.entries({ ann: 'green1', bob: 'green1', eve: 'blue1' }))
    expect(await shop.whoAnswers('/', { headers: { cookie: `user=${user}` } })).toBe(server)
  expect(await shop.whoAnswers()).toBe('blue1')
  // Without a way for requests to green, its users are served like all others.
  const { shop: service } = shop.options.services as { shop: object }
  await shop.cutover.configure({ ...shop.options, services: { shop: { ...service, routes: [] } } })
  expect((await shop.cutover.api('POST', '/api/config/reload?wait=5s')).status).toBe(200)
  expect(await shop.whoAnswers('/', { headers: { cookie: 'user=ann' } })).toBe('blue1')
})

test('maintenance page', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'cutover-maintenance-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const file = join(folder, 'closed')
  await start('maintenance-page.ts', { env: { MAINTENANCE_FILE: file } })
  expect(await shop.whoAnswers()).toBe('blue1')
  await writeFile(file, '')
  let response = await shop.ask()
  while (response.status === 200) response = await shop.ask()
  expect([response.status, response.headers.get('retry-after')]).toEqual([503, '120'])
  expect(await response.text()).toContain('Back soon')
  expect(await shop.whoAnswers('/', { headers: { cookie: 'staff=1' } })).toBe('blue1')
  await rm(file)
  while ((await shop.whoAnswers()) === '503');
  expect(await shop.whoAnswers()).toBe('blue1')
})

test('rate limit by key', async () => {
  await start('rate-limit-by-key.ts')
  const headers = { 'x-api-key': 'one' }
  for (let i = 0; i < 100; i++) expect(await shop.whoAnswers('/', { headers })).toBe('blue1')
  const refused = await shop.ask('/', { headers })
  expect(refused.status).toBe(429)
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
  expect(Number(refused.headers.get('retry-after'))).toBeLessThanOrEqual(60)
  expect(await shop.whoAnswers('/', { headers: { 'x-api-key': 'two' } })).toBe('blue1')
  expect(await shop.whoAnswers()).toBe('blue1')
})

test('rewriting', async () => {
  await start('rewriting.ts', {
    handler: (_request, response) => {
      response.writeHead(302, { location: 'http://app.internal/login', 'x-powered-by': 'app' }).end()
    },
  })
  const moved = await shop.ask('/shop.php', { redirect: 'manual' })
  expect([moved.status, moved.headers.get('location')]).toEqual([308, '/shop'])
  const rewritten = await shop.ask('/users/7', { redirect: 'manual' })
  expect(shop.blue.requests.map(({ url }) => url)).toEqual(['/api/v2/user?id=7'])
  expect([rewritten.headers.get('location'), rewritten.headers.get('x-powered-by')]).toEqual(['/login', null])
  await shop.ask('/users/ann', { redirect: 'manual' })
  expect(shop.blue.requests.at(-1)?.url).toBe('/users/ann')
})

test('geo by header', async () => {
  await start('geo-by-header.ts')
  const { shop: service } = shop.options.services as { shop: object }
  const pools = {
    blue: { servers: { blue1: shop.blue.url } },
    eu: { servers: { eu1: shop.green.url } },
  }
  const routes = [{ name: 'never', match: { header: { 'x-never': '1' } }, to: 'eu' }]
  await shop.cutover.configure({ ...shop.options, services: { shop: { ...service, pools, routes } } })
  expect((await shop.cutover.api('POST', '/api/config/reload?force&wait=5s')).status).toBe(200)
  for (const [country, server] of Object.entries({ DE: 'green1', JP: 'blue1', US: 'blue1' }))
    expect(await shop.whoAnswers(`/${country}`, { headers: { 'cf-ipcountry': country } })).toBe(server)
  expect(shop.green.requests.at(-1)?.headers['x-country']).toBe('DE')
  expect(await logged(shop.cutover, '/DE')).toMatchObject({ pool: 'eu', tags: { country: 'DE' } })
  expect(await shop.whoAnswers('/none')).toBe('blue1')
  expect(shop.blue.requests.at(-1)?.headers['x-country']).toBe('XX')
})
