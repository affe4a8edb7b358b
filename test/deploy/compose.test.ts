import { execFile } from 'node:child_process'
import { access, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parseDocument } from 'yaml'
import packageJson from '../../package.json' with { type: 'json' }
import packageLock from '../../package-lock.json' with { type: 'json' }
import { interpolate } from '../../src/config/interpolate.ts'
import { loadConfig } from '../../src/config/load.ts'
import { formatProblem } from '../../src/config/problems.ts'
import { parseDuration } from '../../src/config/units.ts'
import { GRACE_MS } from '../../src/process/child.ts'

// What can be said of the container files without an engine to run them.

const ROOT = join(import.meta.dirname, '../..')

interface ComposeService {
  readonly profiles?: readonly string[]
  readonly image?: string
  readonly build?: string
  readonly entrypoint?: readonly string[]
  readonly command?: readonly string[]
  readonly hostname?: string
  readonly environment?: Readonly<Record<string, string>>
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>
  readonly ports?: readonly string[]
  readonly volumes?: readonly string[]
  readonly networks?: readonly string[]
  readonly configs?: readonly { readonly source: string; readonly target: string }[]
  readonly healthcheck?: { readonly test?: readonly string[] }
  readonly stop_grace_period?: string
}

interface Compose {
  readonly services: Readonly<Record<string, ComposeService>>
  readonly networks: Readonly<Record<string, object>>
  readonly volumes: Readonly<Record<string, object>>
  readonly configs: Readonly<Record<string, { readonly content: string }>>
}

interface PrometheusFile {
  readonly scrape_configs: readonly {
    readonly authorization: { readonly credentials_file: string }
    readonly static_configs: readonly { readonly targets: readonly string[] }[]
  }[]
}

interface FleetFile {
  readonly proxy: { readonly listen: string }
  readonly admin: {
    readonly listen: string
    readonly hosts: readonly string[]
    readonly tokens: readonly { readonly role: string; readonly token: string }[]
  }
  readonly shutdown: { readonly acceptFor: string; readonly timeout: string }
  readonly store: { readonly path: string }
  readonly services: Readonly<
    Record<string, { readonly pools: Readonly<Record<string, { readonly servers: Readonly<Record<string, string>> }>> }>
  >
}

interface Instruction {
  readonly name: string
  readonly rest: string
}

function text(file: string): Promise<string> {
  return readFile(join(ROOT, file), 'utf8')
}

async function yaml(file: string): Promise<unknown> {
  const document = parseDocument(await text(file), { merge: true })
  expect([...document.errors, ...document.warnings], file).toEqual([])
  return document.toJS()
}

/** A Dockerfile line by line: comments out, continued lines in one. */
function instructionsOf(dockerfile: string): readonly Instruction[] {
  return dockerfile
    .replace(/^\s*#.*\n/gm, '')
    .replace(/\\\n/g, ' ')
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => {
      const [, name = '', rest = ''] = /^(\S+)\s+(.*)$/.exec(line.trim()) ?? []
      return { name, rest }
    })
}

const compose = (await yaml('docker-compose.yml')) as Compose
const fleet = (await yaml('config/fleet.yaml')) as FleetFile
const dockerfile = instructionsOf(await text('Dockerfile'))
const services = Object.entries(compose.services)
const instances = services.filter(([name]) => name.startsWith('cutover-'))
const apps = services.filter(([, { entrypoint }]) => entrypoint?.includes('src/demo/main.ts'))
const monitoring = services.filter(([, { profiles }]) => profiles?.join() === 'monitoring')
const servers = Object.values(fleet.services)
  .flatMap(({ pools }) => Object.values(pools))
  .flatMap((pool) => Object.entries(pool.servers))
const { redis = {} } = compose.services

/** The arguments of every instruction of that name. */
function restsOf(name: string): readonly string[] {
  return dockerfile.filter((each) => each.name === name).map(({ rest }) => rest)
}

function portOf(address: string): string {
  return address.slice(address.lastIndexOf(':') + 1)
}

/** The environment of a container where nobody has set anything on the host. */
function environmentOf({ environment, hostname }: ComposeService): Record<string, string> {
  const { value, problems } = interpolate(environment, {})
  expect(problems).toEqual([])
  return { ...(value as Record<string, string>), ...(hostname !== undefined && { HOSTNAME: hostname }) }
}

/** What a container sees at a path: where it comes from. */
function mountedAt(service: ComposeService, path: string): string | undefined {
  const mount = service.volumes?.map((each) => each.split(':')).find(([, target]) => target === path)
  return mount?.[0]
}

describe('docker-compose.yml', () => {
  test('is a Redis, two instances and four apps, and Prometheus and Grafana for who asks for them', () => {
    expect(instances.map(([name]) => name)).toEqual(['cutover-a', 'cutover-b'])
    expect(apps.map(([name]) => name)).toEqual(['blue1', 'blue2', 'green1', 'green2'])
    expect(monitoring.map(([name]) => name)).toEqual(['prometheus', 'grafana'])
    expect(services).toHaveLength(9)
  })

  test.each(services)('%s has an image, a health check, and names nothing that is not there', (_, service) => {
    const { image, build, healthcheck, depends_on = {}, networks = [], volumes = [] } = service
    expect([image, build].filter((each) => each !== undefined)).toHaveLength(1)
    expect(build ?? '.').toBe('.')
    expect(healthcheck?.test?.[0]).toMatch(/^CMD(-SHELL)?$/)
    expect(Object.keys(compose.services)).toEqual(expect.arrayContaining(Object.keys(depends_on)))
    expect(Object.keys(compose.networks)).toEqual(expect.arrayContaining([...networks]))
    const named = volumes.map((each) => each.split(':')[0] ?? '').filter((source) => !source.startsWith('.'))
    expect(Object.keys(compose.volumes)).toEqual(expect.arrayContaining(named))
  })

  test('publishes on 127.0.0.1 only, each port once, and nothing of Redis and the apps', () => {
    const published = services.flatMap(([, { ports = [] }]) => ports)
    for (const port of published) expect(port).toMatch(/^127\.0\.0\.1:\d+:\d+$/)
    expect(published.map((port) => port.split(':')[1])).toEqual(['8080', '9900', '8081', '9901', '9090', '3000'])
    expect(services.filter(([, { ports }]) => ports !== undefined)).toEqual([...instances, ...monitoring])
  })

  test.each(instances)('%s publishes what the configuration listens on, and the image exposes', (_, { ports = [] }) => {
    const listening = [portOf(fleet.proxy.listen), portOf(fleet.admin.listen)]
    expect(ports.map(portOf)).toEqual(listening)
    expect(restsOf('EXPOSE')).toEqual([listening.join(' ')])
  })

  test('both instances have one configuration, one Redis and the same tokens', () => {
    const shared = instances.map(([, service]) => {
      const { command, environment, depends_on } = service
      return { command, environment, depends_on, config: mountedAt(service, '/etc/cutover') }
    })
    expect(shared[1]).toEqual(shared[0])
    expect(shared[0]).toMatchObject({
      command: ['--config', '/etc/cutover/fleet.yaml'],
      config: './config',
      environment: { CUTOVER_REDIS: 'redis://redis:6379' },
      depends_on: { redis: { condition: 'service_healthy' } },
    })
  })

  test('each instance has a name and a folder of its own', () => {
    for (const [name, { hostname }] of instances) expect(hostname).toBe(name)
    expect(fleet.admin.hosts).toEqual(instances.map(([name]) => name))
    const folders = instances.map(([, service]) => mountedAt(service, fleet.store.path))
    expect(new Set(folders).size).toBe(instances.length)
    expect(folders).not.toContain(undefined)
  })

  test.each(instances)('%s has the time to end by itself', (_, { stop_grace_period }) => {
    const { acceptFor, timeout } = fleet.shutdown
    const needed = (parseDuration(acceptFor) ?? Number.NaN) + (parseDuration(timeout) ?? Number.NaN) + GRACE_MS
    expect(parseDuration(stop_grace_period)).toBeGreaterThan(needed)
  })

  test('tokens that everybody can read say so', () => {
    const [, instance] = instances[0] ?? ['', {}]
    const tokens = Object.entries(environmentOf(instance)).filter(([name]) => name.endsWith('_TOKEN'))
    expect(tokens).toHaveLength(3)
    for (const [, token] of tokens) expect(token).toMatch(/^insecure-demo-/)
  })

  test('Redis keeps what it has acknowledged, and only the instances reach it', () => {
    expect(redis.command?.join(' ')).toBe('redis-server --appendonly yes --appendfsync everysec')
    expect(mountedAt(redis, '/data')).toBeDefined()
    const reaching = services.filter(([, { networks = [] }]) => networks.some((each) => redis.networks?.includes(each)))
    expect(reaching.map(([name]) => name)).toEqual(['redis', 'cutover-a', 'cutover-b'])
  })
})

describe('monitoring', () => {
  test('Prometheus scrapes the admin API of every instance, with a token that may only read', async () => {
    const { scrape_configs: jobs } = (await yaml('deploy/prometheus/prometheus.yaml')) as PrometheusFile
    const targets = jobs.flatMap(({ static_configs }) => static_configs.flatMap((each) => each.targets))
    expect(targets).toEqual(instances.map(([name]) => `${name}:${portOf(fleet.admin.listen)}`))
    const [config] = compose.services.prometheus?.configs ?? []
    expect(jobs.map(({ authorization }) => authorization.credentials_file)).toEqual([config?.target])
    const token = compose.configs[config?.source ?? '']?.content
    expect(token).toMatch(/^\$\{CUTOVER_METRICS_TOKEN:-/)
    for (const [, { environment }] of instances) expect(environment?.CUTOVER_METRICS_TOKEN).toBe(token)
    expect(fleet.admin.tokens).toContainEqual(
      // biome-ignore lint/suspicious/noTemplateCurlyInString: a variable of the configuration
      expect.objectContaining({ role: 'read', token: '${CUTOVER_METRICS_TOKEN}' }),
    )
  })

  test('everything that is mounted is there, and Grafana asks Prometheus where it listens', async () => {
    const sources = monitoring.flatMap(([, { volumes = [] }]) => volumes).map((each) => each.split(':')[0] ?? '')
    expect(sources).toHaveLength(3)
    for (const source of sources) await access(join(ROOT, source))
    const provisioned = 'deploy/grafana/provisioning'
    const { datasources } = (await yaml(`${provisioned}/datasources/prometheus.yaml`)) as {
      datasources: readonly { readonly url: string }[]
    }
    const [port = ''] = compose.services.prometheus?.ports ?? []
    expect(datasources.map(({ url }) => url)).toEqual([`http://prometheus:${portOf(port)}`])
    const { providers } = (await yaml(`${provisioned}/dashboards/cutover.yaml`)) as {
      providers: readonly { readonly options: { readonly path: string } }[]
    }
    const dashboard = `${providers[0]?.options.path}/cutover.json`
    expect(mountedAt(compose.services.grafana ?? {}, dashboard)).toBe('./deploy/grafana/cutover.json')
  })
})

describe('config/fleet.yaml', () => {
  test.each(instances)('is a configuration that %s can use, with nothing set on the host', async (_, instance) => {
    const loaded = await loadConfig(join(ROOT, 'config/fleet.yaml'), environmentOf(instance))
    const problems = loaded.ok ? [] : loaded.problems.map(formatProblem)
    expect(problems).toEqual([])
  })

  test('every server is an app of docker-compose.yml, which both instances reach', () => {
    expect(servers.map(([name]) => name)).toEqual(apps.map(([name]) => name))
    for (const [name, url] of servers) {
      const { hostname } = new URL(url)
      expect(hostname).toBe(name)
      const { networks = [] } = compose.services[hostname] ?? {}
      for (const [, instance] of instances) expect(instance.networks).toEqual(expect.arrayContaining([...networks]))
    }
  })

  test.each(servers)('%s listens where it is looked for', async (name, url) => {
    const { entrypoint = [], command = [], healthcheck } = compose.services[name] ?? {}
    const { port } = new URL(url)
    expect(healthcheck?.test?.join(' ')).toContain(`http://127.0.0.1:${port}/healthz`)
    const [program, ...args] = [...entrypoint, ...command]
    expect(program).toBe('node')
    expect(args).toContain('0.0.0.0')
    // At an address that no machine has, it says where it would have listened, and takes no port from anybody.
    const nowhere = args.map((each) => (each === '0.0.0.0' ? '192.0.2.1' : each))
    const said = await new Promise<string>((resolve) => {
      execFile(process.execPath, nowhere, { cwd: ROOT, timeout: 20_000 }, (_error, _out, err) => resolve(err))
    })
    expect(said).toMatch(new RegExp(`^${name} cannot start: .* 192\\.0\\.2\\.1:${port}$`, 'm'))
  })
})

describe('Dockerfile', () => {
  const copied = restsOf('COPY')
    .filter((rest) => !rest.startsWith('--from='))
    .flatMap((rest) => rest.split(/\s+/).slice(0, -1))

  test('every stage has the Node that package.json pins, and the image does not have it twice', () => {
    const stages = restsOf('FROM')
    expect(stages).toHaveLength(3)
    for (const stage of stages)
      expect(stage.split(' ')[0]).toBe(`node:${packageJson.devDependencies.node}-bookworm-slim`)
    expect(packageLock.packages['node_modules/node'].dev).toBe(true)
    expect(restsOf('RUN')[2]).toContain('npm ci --omit=dev')
  })

  test('what it copies is there, and .dockerignore lets it through', async () => {
    const [first, ...allowed] = (await text('.dockerignore')).split('\n').filter((line) => /^[^#]/.test(line))
    expect(first).toBe('*')
    expect(allowed.map((line) => line.slice(1)).toSorted()).toEqual(
      [...new Set(copied.map((source) => source.split('/')[0]))].toSorted(),
    )
    for (const source of copied) await access(join(ROOT, source))
  })

  test('everything that is started is in the image', () => {
    const started = [restsOf('ENTRYPOINT'), apps.map(([, { entrypoint }]) => JSON.stringify(entrypoint))].flat()
    const programs = new Set(started.map((list) => (JSON.parse(list) as string[])[1]))
    expect([...programs]).toEqual(['dist/main.js', 'src/demo/main.ts'])
    expect(restsOf('COPY')).toEqual(expect.arrayContaining(['--from=build /app/dist ./dist', 'src/demo ./src/demo']))
    expect(restsOf('RUN')[1]).toBe('node scripts/bundle.mjs && node scripts/dashboard.mjs')
    expect(restsOf('CMD')).toEqual(['["--config", "/etc/cutover/cutover.yaml"]'])
  })

  test('runs without rights, on a folder of its own, and says how it is', () => {
    const names = dockerfile.map(({ name }) => name)
    expect(restsOf('USER')).toEqual(['node'])
    expect(names.lastIndexOf('RUN')).toBeLessThan(names.indexOf('USER'))
    expect(restsOf('VOLUME')).toEqual([fleet.store.path])
    expect(restsOf('RUN').at(-1)).toContain(`chown node:node ${fleet.store.path}`)
    expect(restsOf('STOPSIGNAL')).toEqual(['SIGTERM'])
    expect(restsOf('HEALTHCHECK')).toEqual([
      expect.stringContaining(`http://127.0.0.1:${portOf(fleet.admin.listen)}/healthz`),
    ])
  })
})
