import { type ChildProcess, spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parse } from 'yaml'

/** What docker-compose.yml says that matters here. */
interface Compose {
  readonly services: Readonly<
    Record<
      string,
      {
        readonly profiles?: readonly string[]
        readonly command?: readonly string[]
        readonly environment?: Readonly<Record<string, string>>
      }
    >
  >
}

const ROOT = join(import.meta.dirname, '../..')
const INSTANCES = ['cutover-a', 'cutover-b'] as const
// Every container has an address of its own; so has every process here, as all of 127/8 is this machine.
const NETWORK = `127.${randomInt(1, 255)}.${randomInt(1, 255)}`

const children: ChildProcess[] = []
let folder = ''
let compose: Compose
let names: readonly string[]

function addressOf(name: string): string {
  return `${NETWORK}.${names.indexOf(name) + 1}`
}

/** Starts a process; resolves when it prints something. Rejects with what it printed when it ends before that. */
async function run(command: string, args: readonly string[], env: NodeJS.ProcessEnv, ready: RegExp): Promise<void> {
  const child = spawn(command, args, { cwd: ROOT, env: { ...process.env, ...env } })
  children.push(child)
  let printed = ''
  await new Promise<void>((resolve, reject) => {
    const take = (chunk: Buffer): void => {
      printed += chunk
      if (ready.test(printed)) resolve()
    }
    child.stdout.on('data', take)
    child.stderr.on('data', take)
    child.once('exit', (code) => reject(new Error(`${command} ${args.join(' ')} ended with ${code}:\n${printed}`)))
  })
}

/** A value of docker-compose.yml with its defaults, and names of containers replaced by their addresses. */
function here(text: string): string {
  const plain = text.replaceAll(/\$\{\w+:-([^}]*)\}/g, '$1')
  return names.reduce((all, name) => all.replaceAll(`//${name}:`, `//${addressOf(name)}:`), plain)
}

async function startInstance(name: string): Promise<void> {
  const own = addressOf(name)
  const data = join(folder, name)
  const written = await readFile(join(ROOT, 'config/fleet.yaml'), 'utf8')
  const file = join(folder, `${name}.yaml`)
  await writeFile(
    file,
    here(written).replaceAll('listen: 0.0.0.0', `listen: ${own}`).replace('path: /data', `path: ${data}`),
  )
  const environment = Object.entries(compose.services[name]?.environment ?? {})
  const env = { ...Object.fromEntries(environment.map(([key, value]) => [key, here(value)])), HOSTNAME: own }
  await run(process.execPath, ['dist/main.js', 'run', '--config', file], env, /^cutover ready/m)
}

async function api(name: string, method: string, path: string, body?: object) {
  const headers = { authorization: 'Bearer insecure-demo-token', 'content-type': 'application/json' }
  const init = { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) }
  const response = await fetch(`http://${addressOf(name)}:9900${path}`, init)
  // biome-ignore lint/suspicious/noExplicitAny: a test looks for what it expects, and fails when it is not there.
  return { status: response.status, body: (await response.json()) as any }
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cutover-topology-'))
  compose = parse(await readFile(join(ROOT, 'docker-compose.yml'), 'utf8'), { merge: true })
  names = Object.keys(compose.services).filter((name) => compose.services[name]?.profiles === undefined)
  const [server = '', ...args] = compose.services.redis?.command ?? []
  const redisArgs = [...args, '--bind', addressOf('redis'), '--port', '6379', '--dir', folder]
  await run(server, redisArgs, {}, /Ready to accept connections/)
  const apps = names.filter((name) => name !== 'redis' && !name.startsWith('cutover'))
  const host = (name: string) => ['src/demo/main.ts', '--host', addressOf(name), '--only', name]
  await Promise.all(apps.map((name) => run(process.execPath, host(name), {}, /version/)))
  await Promise.all(INSTANCES.map(startInstance))
})

afterAll(async () => {
  const ended = children.filter(({ exitCode }) => exitCode === null).map((child) => once(child, 'exit'))
  for (const child of children) child.kill('SIGTERM')
  await Promise.all(ended)
  await rm(folder, { recursive: true, force: true })
})

test('the fleet of docker-compose.yml, run as processes: what is done at one instance is in force at both', async () => {
  for (const [at, to, version] of [
    ['cutover-a', 'green', '2.0.0'],
    ['cutover-b', 'blue', '1.0.0'],
  ] as const) {
    const { status, body } = await api(at, 'POST', '/api/services/demo/switch?wait=20s', { to })
    expect([status, body.drained]).toEqual([200, [to === 'green' ? 'blue' : 'green']])
    for (const name of INSTANCES) {
      const answer = (await (await fetch(`http://${addressOf(name)}:8080/`)).json()) as { version: string }
      expect([name, answer.version]).toEqual([name, version])
    }
  }
})

test('they know of each other, and one can be asked through the other', async () => {
  const { body } = await api('cutover-a', 'GET', '/api/instances')
  expect(body.instances.map(({ live }: { live: boolean }) => live)).toEqual([true, true])
  expect(body.configuration.version).toBe(1)
  const other = await api('cutover-a', 'GET', `/api/instances/${addressOf('cutover-b')}/instances`)
  const [self] = other.body.instances
  expect([self.self, self.name, self.address]).toEqual([
    true,
    addressOf('cutover-b'),
    `http://${addressOf('cutover-b')}:9900`,
  ])
})

test('Prometheus gets the figures of each, and changes nothing', async () => {
  const headers = { authorization: 'Bearer insecure-demo-metrics-token' }
  for (const name of INSTANCES) {
    const page = await fetch(`http://${addressOf(name)}:9900/metrics`, { headers })
    expect([page.status, await page.text()]).toEqual([200, expect.stringContaining('\ncutover_revision ')])
    const change = await fetch(`http://${addressOf(name)}:9900/api/services/demo/switch`, { method: 'POST', headers })
    expect(change.status).toBe(403)
  }
})

test('without a token nothing is told', async () => {
  expect((await fetch(`http://${addressOf('cutover-b')}:9900/api/services`)).status).toBe(401)
})
