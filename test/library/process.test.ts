import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startUpstream, type Upstream } from '../support/upstream.ts'
import { Project } from './program.ts'

let project: Project
let blue: Upstream
let green: Upstream

beforeAll(async () => {
  project = await Project.create()
  blue = await startUpstream(undefined, { name: 'blue' })
  green = await startUpstream(undefined, { name: 'green' })
})
afterAll(async () => {
  await Promise.all([project.remove(), blue.close(), green.close()])
})

const CREATE = `
import { createCutover } from 'cutover'
const config = (path: string, accessLog: 'off' | object = 'off') => ({
  proxy: { listen: '127.0.0.1:0', accessLog },
  admin: { listen: '127.0.0.1:0' },
  store: { path },
  services: {
    shop: {
      pools: { blue: { servers: { blue1: '\${BLUE}' } }, green: { servers: { green1: '\${GREEN}' } } },
      split: { blue: 100 },
    },
  },
})
`

const run = (program: string) => project.run(`${CREATE}${program}`, { BLUE: blue.url, GREEN: green.url })

describe('a program', () => {
  test('ends by itself after close, and standard output is all its own', async () => {
    const { code, stdout, stderr } = await run(`
      const c = await createCutover({ config: config('./data') as never })
      await c.ready
      console.log(await (await fetch(c.proxy)).text())
      console.log((await c.services.switch('shop', { wait: '20s' })).drained)
      console.log(await (await fetch(c.proxy)).text())
      await c.close()
    `)
    expect([code, stdout, stderr]).toEqual([0, "blue\n[ 'blue' ]\ngreen\n", ''])
  })

  test('ends by itself when it closes before it is ready, and does not hear of it', async () => {
    const { code, stdout, stderr } = await run(`
      const c = await createCutover({ config: { ...config('./early'), services: {
        shop: { pools: { a: { servers: { a1: 'http://127.0.0.1:1' } } }, health: { fall: 1000, interval: '1h' } } } } as never })
      await Promise.all([c.close(), c.close()])
      console.log(await c.ready.catch((error) => error.message))
      console.log(await c.services.list().catch((error) => error.message + ' ' + error.mayBeDone))
    `)
    expect([code, stderr]).toEqual([0, ''])
    expect(stdout).toBe(
      'this Cutover was closed before it was ready\nno answer from http://localhost (this Cutover is not running) false\n',
    )
  })

  test('writes the access log to standard output if it is on', async () => {
    const { code, stdout } = await run(`
      const c = await createCutover({ config: config('./logged', { format: 'json' }) as never })
      await c.ready
      await fetch(c.proxy + '/logged')
      await c.close()
    `)
    expect(code).toBe(0)
    expect(
      stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toMatchObject([{ target: '/logged' }])
  })

  test('keeps its signals: importing and creating add no listeners, and an import starts nothing', async () => {
    const { code, stdout } = await run(`
      console.log(process.getActiveResourcesInfo().filter((name) => /Timer|Server|Socket/.test(name)).length)
      const c = await createCutover({ config: config('./signals') as never })
      const names = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGUSR1', 'SIGUSR2', 'uncaughtException', 'unhandledRejection']
      console.log(names.map((name) => process.listenerCount(name)).join(' '))
      process.kill(process.pid, 'SIGTERM')
      setTimeout(() => console.log('still there'), 10_000)
    `)
    expect([code, stdout]).toEqual([null, '0\n0 0 0 0 0 0 0\n'])
  })

  test('runs several, one after the other on the same store, and side by side on others', async () => {
    const { code, stdout, stderr } = await run(`
      const first = await createCutover({ config: config('./several') as never })
      await first.ready
      await first.services.switch('shop', { to: 'green', wait: '20s' })
      console.log(await createCutover({ config: config('./several') as never }).catch((error) => /in use by another store of this process/.test(error.message)))
      await first.close()
      for (let i = 0; i < 12; i++) {
        const each = await createCutover({ config: config('./several') as never })
        if ((await each.services.get('shop')).split.green !== 100) console.log('lost')
        await each.close()
      }
      const both = await Promise.all(['./one', './two'].map((path) => createCutover({ config: config(path) as never })))
      await Promise.all(both.map((c) => c.ready))
      await both[0]?.services.switch('shop', { to: 'green', wait: '20s' })
      for (const c of both) console.log(await (await fetch(c.proxy)).text())
      await Promise.all(both.map((c) => c.close()))
    `)
    expect([code, stdout, stderr]).toEqual([0, 'true\ngreen\nblue\n', ''])
  })
})
