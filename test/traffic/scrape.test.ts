import { expect, test } from 'vitest'
import { promtool } from '../support/promtool.ts'
import { until } from '../support/until.ts'
import { HEALTH, pool, start, upstream } from './support.ts'

test('promtool finds no fault in the metrics of an instance with workers and all kinds of traffic', async () => {
  const blue = await upstream('blue1', (request, response) => {
    if (request.url === '/broken') request.socket.destroy()
    else response.end('blue')
  })
  const green = await upstream('green1')
  const shop = {
    pools: { blue: { ...pool(blue), version: '1 "a\\b"' }, green: pool(green) },
    split: { blue: 100 },
    splitBy: 'cookie',
    sticky: { cookie: 'server' },
    routes: [{ name: 'beta', match: { header: { 'x-beta': 'yes' } }, to: 'green' }],
    mirror: { to: 'green', percent: 100 },
    versionHeader: 'X-App-Version',
    health: HEALTH,
  }
  const cutover = await start({ services: { shop }, proxy: { workers: 2 } })
  expect((await fetch(`${cutover.proxy}/broken`)).status).toBe(502)
  const counted = ['requests_total', 'upstream_duration_seconds_bucket', 'retries_total', 'routed_requests_total']
  const expected = [...counted, 'cohort_requests_total', 'sticky_requests_total', 'mirrored_requests_total']
  let page = ''
  // Green gets requests and copies once it is up.
  await until(async () => {
    await fetch(`${cutover.proxy}/`)
    await fetch(`${cutover.proxy}/`, { headers: { 'x-beta': 'yes' } })
    page = (await cutover.api('GET', '/metrics')).body
    return expected.every((name) => page.includes(`\ncutover_${name}{`))
  })
  expect(await promtool(['check', 'metrics'], page)).toEqual({ code: 0, output: '' })
  // It does find faults.
  expect(await promtool(['check', 'metrics'], `${page}\n# TYPE cutover_x counter\ncutover_x 1\n`)).toMatchObject({
    code: 3,
    output: expect.stringContaining('cutover_x'),
  })
})
