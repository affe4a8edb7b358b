import { expect, test } from 'vitest'
import { metric } from '../proxy/support.ts'
import { atEnd } from '../support/endings.ts'
import { EventReader } from '../support/event-reader.ts'
import { until } from '../support/until.ts'
import { define, HEALTH, pool, start, upstream } from './support.ts'

/** A server that reports a version, or none. */
async function reporting(name: string, version: () => string | null) {
  return upstream(name, (_request, response) => {
    const reported = version()
    if (reported !== null) response.setHeader('x-app-version', reported)
    response.end(name)
  })
}

const poolView = async (cutover: Awaited<ReturnType<typeof start>>, name: string) =>
  (await cutover.api('GET', '/api/services/shop')).body.pools.find((each: { name: string }) => each.name === name)

test('a pool shows the versions that its servers report; another one than its own is logged, and in the metrics', async () => {
  let version: string | null = '1.4.2'
  const blue = await reporting('blue1', () => version)
  const pools = { blue: { ...pool(blue), version: '1.4.2' }, green: pool(await upstream('green1')) }
  const shop = { pools, split: { blue: 100 }, versionHeader: 'X-App-Version', health: HEALTH }
  const cutover = await start({ services: { shop } })
  const events = await EventReader.open(cutover.admin, '', '?types=version.*')
  atEnd(() => events.close())
  const ask = () => fetch(`${cutover.proxy}/`)
  await until(async () => {
    await ask()
    return (await poolView(cutover, 'blue')).reportedVersions.includes('1.4.2')
  })
  expect((await poolView(cutover, 'green')).reportedVersions).toEqual([])
  expect(await metric(cutover, 'cutover_version_mismatch')).toBe(0)
  expect(cutover.stderr).not.toContain('another version')
  version = '1.4.1'
  await until(async () => {
    await ask()
    return (await metric(cutover, 'cutover_version_mismatch', 'pool="blue"')) === 1
  })
  expect((await poolView(cutover, 'blue')).reportedVersions).toEqual(['1.4.1', '1.4.2'])
  await until(() =>
    /"pool":"blue","version":"1.4.2","reported":\["1.4.1","1.4.2"\].*another version/.test(cutover.stderr),
  )
  const { data } = await events.event(({ type }) => type.startsWith('version.'))
  const mismatch = { type: 'version.mismatch', service: 'shop', pool: 'blue', before: { version: '1.4.2' } }
  expect(data).toMatchObject({ ...mismatch, after: { reported: ['1.4.1', '1.4.2'] } })
  // The definition follows: what was reported to the earlier one counts no more.
  const changed = { pools: { blue: { version: '1.4.1' } } }
  expect((await cutover.api('PATCH', '/api/services/shop', changed)).status).toBe(200)
  await until(async () => {
    await ask()
    return (await poolView(cutover, 'blue')).reportedVersions.join() === '1.4.1'
  })
  expect(await metric(cutover, 'cutover_version_mismatch')).toBe(0)
})

test('a pool without requests shows the versions that its health checks find', async () => {
  const green = await upstream('green1')
  green.server.prependListener('request', (_request, response) => response.setHeader('x-app-version', '2.0'))
  const pools = { blue: pool(await upstream('blue1')), green: { ...pool(green), version: '2.0' } }
  const cutover = await start({
    services: { shop: { pools, split: { blue: 100 }, versionHeader: 'x-app-version', health: HEALTH } },
  })
  await until(async () => (await poolView(cutover, 'green')).reportedVersions.join() === '2.0')
  const { body } = await cutover.api('GET', '/api/servers/green1')
  expect(body.servers[0].lastProbe).toMatchObject({ ok: true, version: '2.0' })
})

test('whatever servers report, only a few short versions are kept, and nothing that breaks a line', async () => {
  let count = 0
  const blue = await reporting('blue1', () => (count++ % 3 === 0 ? 'x'.repeat(500) : `\u00e9 ${count}`))
  const services = { shop: { pools: { blue: pool(blue) }, versionHeader: 'x-app-version', health: 'off' } }
  const cutover = await start({ services })
  for (let i = 0; i < 50; i++) await fetch(`${cutover.proxy}/`)
  await until(async () => (await poolView(cutover, 'blue')).reportedVersions.length > 0)
  expect((await poolView(cutover, 'blue')).reportedVersions).toEqual(['(unreadable)', 'x'.repeat(64)])
})

test('a wrong name of a field is refused', async () => {
  const cutover = await define('shop', { pools: { blue: pool(await upstream('blue1')) } })
  const { status, body } = await cutover.api('PATCH', '/api/services/shop', { versionHeader: 'x y' })
  expect([status, body.detail]).toEqual([
    422,
    'versionHeader: expected the name of a response field, such as X-App-Version, got "x y"',
  ])
})
