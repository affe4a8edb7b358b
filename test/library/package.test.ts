import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startUpstream } from '../support/upstream.ts'
import { endOf, ROOT } from './program.ts'

/** What the project of a consumer has beside Cutover and its dependencies. */
const OF_CONSUMER = ['typescript', '@types/node']
const MINUTES = 60_000

interface Locked {
  readonly version: string
  readonly dev?: boolean
  readonly dependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

let folder = ''

/** Packs this checkout, and installs the package in a project whose other packages are those of this checkout. */
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cutover-consumer-'))
  const { packages } = JSON.parse(await readFile(join(ROOT, 'package-lock.json'), 'utf8')) as {
    readonly packages: Readonly<Record<string, Locked>>
  }
  const locked = (name: string) => packages[`node_modules/${name}`]
  const withDependencies = (name: string): string[] => {
    const { dependencies, optionalDependencies } = locked(name) ?? {}
    return [name, ...Object.keys({ ...dependencies, ...optionalDependencies }).flatMap(withDependencies)]
  }
  const wanted = new Set([
    ...Object.keys(packages).filter((path) => path !== '' && packages[path]?.dev !== true),
    ...OF_CONSUMER.flatMap(withDependencies).map((name) => `node_modules/${name}`),
  ])
  for (const path of wanted) {
    // Packages for other platforms are not there.
    await cp(join(ROOT, path), join(folder, path), { recursive: true }).catch(ignoreMissing)
  }
  const devDependencies = Object.fromEntries(OF_CONSUMER.map((name) => [name, locked(name)?.version]))
  await writeFile(join(folder, 'package.json'), JSON.stringify({ type: 'module', private: true, devDependencies }))
  const npm = (args: readonly string[], cwd: string) => promisify(execFile)('npm', args, { cwd })
  await npm(['pack', '--pack-destination', folder], ROOT)
  const { version } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'))
  await npm(['install', '--offline', '--no-audit', '--no-fund', `./cutover-${version}.tgz`], folder)
}, 5 * MINUTES)

afterAll(() => rm(folder, { recursive: true, force: true }))

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error
}

test(
  'runs in a project that has installed the package',
  async () => {
    await writeFile(
      join(folder, 'run.mjs'),
      `import { createCutover } from 'cutover'
     import { ApiError, createClient } from 'cutover/client'
     const listen = '127.0.0.1:0'
     const c = await createCutover({ config: { proxy: { listen, accessLog: 'off' }, admin: { listen }, store: { path: './data' } } })
     await c.ready
     const client = createClient({ url: c.admin })
     console.log((await client.services.list()).services)
     console.log(await client.services.get('shop').catch((error) => error instanceof ApiError && error.title))
     await c.close()`,
    )
    const { code, stdout, stderr } = await endOf(['run.mjs'], folder)
    expect([code, stdout, stderr]).toEqual([0, '[]\nUnknown service\n', ''])
  },
  MINUTES,
)

test(
  'brings its types',
  async () => {
    await writeFile(
      join(folder, 'use.ts'),
      `import { type Cutover, createCutover } from 'cutover'
     import { type ApiError, createClient, type Written } from 'cutover/client'

     export async function use(c: Cutover, error: ApiError): Promise<Written> {
       const client = createClient({ urls: ['http://127.0.0.1:9900'], token: process.env.CUTOVER_TOKEN })
       await client.services.put('shop', { pools: { blue: { servers: { blue1: 'http://127.0.0.1:1' } } } }, { wait: '3s' })
       const { servers } = await client.servers.drain('blue1', { wait: '30s', ifMatch: 3, service: 'shop' })
       const state: 'ready' | 'drain' | 'maint' | 'leaving' | undefined = servers[0]?.state
       const known: readonly string[] | undefined = error.body.known
       await createCutover({ config: { services: { shop: { pools: {}, balance: state ?? known?.[0] } } } })
       // @ts-expect-error: an option that does not exist
       await client.services.switch('shop', { too: 'green' })
       // @ts-expect-error: no name
       await client.services.switch()
       // @ts-expect-error: no such key
       await createCutover({ config: { proxies: {} } })
       return c.services.switch('shop', { to: 'green' })
     }`,
    )
    const compilerOptions = {
      module: 'nodenext',
      target: 'es2024',
      strict: true,
      exactOptionalPropertyTypes: true,
      noEmit: true,
      types: ['node'],
    }
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['use.ts'] }))
    const { code, stdout } = await endOf(['node_modules/typescript/bin/tsc'], folder)
    expect([code, stdout]).toEqual([0, ''])
  },
  MINUTES,
)

test(
  'brings the command line',
  async () => {
    await writeFile(join(folder, 'cutover.yaml'), 'services: {}\nproxi: 1\n')
    const { code, stderr } = await endOf(['node_modules/.bin/cutover', 'check', 'cutover.yaml'], folder)
    expect([code, stderr]).toEqual([2, expect.stringContaining('did you mean "proxy"')])
  },
  MINUTES,
)

test(
  'runs an instance with workers, which its own command line drives, the dashboard, the pages of problems and the manual with it',
  async () => {
    const blue = await startUpstream(undefined, { name: 'blue1' })
    const green = await startUpstream(undefined, { name: 'green1' })
    const pools = { blue: { servers: { blue1: blue.url } }, green: { servers: { green1: green.url } } }
    const config = {
      proxy: { listen: '127.0.0.1:0', workers: 1, accessLog: 'off' },
      admin: { listen: '127.0.0.1:0' },
      store: { path: './run-data' },
      services: { shop: { pools, split: { blue: 100 }, health: { interval: '50ms' } } },
    }
    await writeFile(join(folder, 'run.json'), JSON.stringify(config))
    const cutover = join(folder, 'node_modules/.bin/cutover')
    const running = spawn(cutover, ['run', '--config', 'run.json'], {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    try {
      let printed = ''
      for await (const chunk of running.stdout) {
        printed += chunk
        if (printed.includes('cutover ready')) break
      }
      const [, proxy = '', admin = ''] = /proxy (\S+), admin (\S+)/.exec(printed) ?? []
      expect(await (await fetch(proxy)).text()).toBe('blue1')
      const env = { ...process.env, CUTOVER_ADMIN: admin }
      const run = (...args: string[]) => promisify(execFile)(cutover, args, { cwd: folder, env })
      expect((await run('switch', 'shop', 'green', '--wait', '20s')).stdout).toContain(
        'all requests to green; blue drained',
      )
      expect(await (await fetch(proxy)).text()).toBe('green1')
      expect((await run('status')).stdout).toMatch(/shop +blue .*\n.*green/)
      expect(await (await fetch(`${admin}/docs/problems/unknown-service`)).text()).toContain('There is no service')
      const page = await (await fetch(admin)).text()
      const script = await fetch(`${admin}${/src="(\/assets\/[^"]+\.js)"/.exec(page)?.[1]}`)
      expect([script.status, script.headers.get('content-type')]).toEqual([200, expect.stringContaining('javascript')])
      expect(await readFile(join(folder, 'node_modules/cutover/man/cutover.1'), 'utf8')).toContain('.TH CUTOVER 1')
    } finally {
      const ended = once(running, 'exit')
      running.kill('SIGTERM')
      await ended
      await Promise.all([blue.close(), green.close()])
    }
  },
  MINUTES,
)
