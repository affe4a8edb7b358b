import { execFile } from 'node:child_process'
import { Agent, request } from 'node:http'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { Cutover } from '../support/cutover.ts'
import { atEnd } from '../support/endings.ts'
import { until } from '../support/until.ts'
import { pool, raw, upstream } from './support.ts'

const run = promisify(execFile)

/** Lets a process open no more descriptors than it has, or as many as before. */
async function limitDescriptors(pid: number, limit: 'none more' | 'as before'): Promise<void> {
  // The soft limit is about numbers of descriptors: all the low ones are taken.
  await run('prlimit', ['--pid', String(pid), `--nofile=${limit === 'none more' ? 3 : 1024}:`])
}

/** Asks the admin API over one connection, which is opened by the first question. */
function kept(cutover: Cutover) {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  atEnd(() => agent.destroy())
  return (path: string): Promise<Record<string, unknown>> =>
    new Promise((resolve, reject) => {
      request(`${cutover.admin}${path}`, { agent }, (response) => {
        let text = ''
        response.on('data', (chunk) => {
          text += chunk
        })
        response.on('end', () => resolve(JSON.parse(text)))
      })
        .on('error', reject)
        .end()
    })
}

test('running out of descriptors marks no server down or ejected; clients get 503', async () => {
  const blue = [await upstream('blue1'), await upstream('blue2')]
  const cutover = await Cutover.start({
    services: {
      shop: {
        health: { interval: '20ms', fall: 1 },
        passive: { maxFails: 1 },
        connections: { keepAlive: '0s' },
        pools: { blue: pool(...blue) },
      },
    },
  })
  atEnd(() => cutover.stop('SIGKILL'))
  const api = kept(cutover)
  const servers = async () => (await api('/api/servers')).servers as Record<string, Record<string, unknown>>[]
  await until(async () => (await servers()).every(({ health }) => String(health) === 'up'))
  const client = await raw(cutover)
  expect((await client.ask(['GET / HTTP/1.1', 'host: x'])).status).toBe(200)
  const pid = cutover.process.pid as number

  await limitDescriptors(pid, 'none more')
  await until(async () =>
    (await servers()).every(({ lastProbe }) => lastProbe?.error === 'cannot probe: out of descriptors'),
  )
  for (let i = 0; i < 10; i++) {
    const refused = await client.ask([`GET /refused-${i} HTTP/1.1`, 'host: x'])
    expect([refused.status, refused.field('proxy-status'), refused.field('retry-after')]).toEqual([
      503,
      'cutover; error=proxy_resources_exhausted',
      '1',
    ])
  }
  expect((await servers()).map(({ health }) => health)).toEqual(['up', 'up'])
  expect(await api('/health')).toMatchObject({ status: 'degraded' })

  await limitDescriptors(pid, 'as before')
  expect((await client.ask(['GET / HTTP/1.1', 'host: x'])).status).toBe(200)
  await until(async () => (await servers()).every(({ lastProbe }) => lastProbe?.error === null))
  await cutover.printed(/"\/refused-9".*\n/)
  const refused = cutover.accessLog().filter(({ target }) => String(target).startsWith('/refused'))
  expect(refused.map(({ status, error }) => [status, error])).toEqual(
    refused.map(() => [503, 'proxy_resources_exhausted']),
  )
  expect(refused.length).toBe(10)
})
