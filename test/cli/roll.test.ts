import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import http, { type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { Cutover } from '../support/cutover.ts'
import { Load } from '../support/load.ts'
import { until } from '../support/until.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'
import { CommandLine } from './support.ts'

const NAMES = ['blue1', 'blue2', 'blue3', 'blue4']

let cutover: Cutover
let folder: string
let deploying: http.Server
const servers = new Map<string, Upstream>()
/** Servers that answer 500 after they were deployed. */
const bad = new Set<string>()
/** Servers that answer 500 until they are deployed. */
const badBefore = new Set<string>()
const held: ServerResponse[] = []
/** Requests in flight, by server. */
const busy = new Map<string, number>()
/** Servers that were deployed, and how many requests were in flight there. */
let deployed: (readonly [string, number])[] = []

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cutover-roll-'))
  for (const name of NAMES) servers.set(name, await startServer(name))
  deploying = http.createServer((request, response) => {
    const name = String(request.url).slice(1)
    deployed.push([name, busy.get(name) ?? 0])
    void restart(name).then(() => response.end())
  })
  deploying.listen(0, '127.0.0.1')
  await once(deploying, 'listening')
  cutover = await Cutover.start({ services: {}, proxy: { accessLog: 'off' } })
})
afterAll(async () => {
  await cutover.stop('SIGKILL')
  deploying.close()
  deploying.closeAllConnections()
  await Promise.all([...[...servers.values()].map((each) => each.close()), rm(folder, { recursive: true })])
})
beforeEach(async () => {
  bad.clear()
  badBefore.clear()
  deployed = []
  for (const response of held.splice(0)) response.end('late')
  await cutover.api('DELETE', '/api/services/shop?force')
  const all = Object.fromEntries(NAMES.map((name) => [name, servers.get(name)?.url]))
  const pools = { blue: { servers: all }, green: { servers: { green1: servers.get('blue1')?.url } } }
  const health = { interval: '50ms', rise: 1 }
  const made = await cutover.api('PUT', '/api/services/shop', { pools, split: { blue: 100 }, health })
  expect([made.status, made.body.detail]).toEqual([200, undefined])
  await until(async () => (await views()).every(({ health }) => health === 'up'))
})

async function startServer(name: string, port?: number): Promise<Upstream> {
  const handler = (_: unknown, response: ServerResponse, { url }: { url: string }) => {
    busy.set(name, (busy.get(name) ?? 0) + 1)
    response.once('close', () => busy.set(name, (busy.get(name) ?? 0) - 1))
    if (url.startsWith('/hold')) held.push(response)
    else {
      const isNew = deployed.some(([each]) => each === name)
      response.statusCode = (isNew ? bad : badBefore).has(name) ? 500 : 200
      response.end(name)
    }
  }
  return startUpstream(handler, port === undefined ? { name } : { name, port })
}

/** Ends a server as a deployment does, and starts another one at its place. */
async function restart(name: string): Promise<void> {
  const before = servers.get(name) as Upstream
  await before.close()
  servers.set(name, await startServer(name, before.port))
}

async function views() {
  const { pools } = (await cutover.api('GET', '/api/services/shop')).body
  return pools[0].servers as { name: string; state: string; health: string }[]
}

async function states(): Promise<Readonly<Record<string, string>>> {
  return Object.fromEntries((await views()).map(({ name, state }) => [name, state]))
}

/** A command that deploys a server, as an app's script would. */
function deploy(name = '{server}'): string {
  const url = `http://127.0.0.1:${(deploying.address() as AddressInfo).port}/${name}`
  return `${process.execPath} -e "await fetch('${url}')"`
}

function begin(args: readonly string[]): CommandLine {
  return new CommandLine(['roll', 'shop', '--admin', cutover.admin, ...args], { cwd: folder })
}

test('the servers are deployed in turn, each while it is idle; under load no request fails', async () => {
  const load = new Load({ url: `${cutover.proxy}/`, clients: 8, pauseMs: 0, names: NAMES })
  const log = join(folder, 'log')
  const exec = `${deploy()} && echo {server} {host} {pool} {service} $CUTOVER_SERVER $CUTOVER_URL >> ${log}; echo restarted`
  const { code, stdout, stderr } = await begin(['--exec', exec, '--watch', '2s', '--reason', 'v2']).ended
  expect([code, stderr]).toEqual([0, ''])
  const figures = await load.stop()
  expect([figures.failures, figures.completed]).toEqual([{}, figures.sent])
  expect(deployed).toEqual(NAMES.map((name) => [name, 0]))
  const lines = (await readFile(log, 'utf8')).trim().split('\n')
  expect(lines).toEqual(NAMES.map((name) => `${name} 127.0.0.1 blue shop ${name} ${servers.get(name)?.url}`))
  expect(stdout).toMatch(/^\[1\/4\] blue1: draining\n\[1\/4\] blue1: drained in \S+\n\[1\/4\] blue1: running .*blue1/)
  expect(stdout).toMatch(
    / blue1 \| restarted\n\[1\/4\] blue1: ran in .*\n\[1\/4\] blue1: up\n\[1\/4\] blue1: enabled\n/,
  )
  expect(stdout).toMatch(/\[4\/4\] blue4: watched \d+ requests, 0 failed, p95 \d+ ms\n✔ shop\/blue: .* rolled\n$/)
  const { history } = (await cutover.api('GET', '/api/services/shop/history?limit=1')).body
  expect(history[0].reason).toMatch(/^roll [0-9a-f]{8} of blue: blue4 done; v2$/)
})

test('it stops at the first command that fails, the rest untouched; --resume goes on there', async () => {
  const flag = join(folder, 'broken')
  await writeFile(flag, '')
  const exec = `test {server} != blue2 -o ! -e ${flag} || exit 7; ${deploy()}`
  const failed = await begin(['--exec', exec, '--watch', '0s']).ended
  expect(failed.code).toBe(1)
  expect(failed.stdout).toContain('blue2: failed test blue2 !=')
  expect(failed.stdout).toContain('ended with exit code 7')
  expect(failed.stderr).toMatch(/^Complete: +blue1\nOut of traffic: blue2\nUntouched: +blue3, blue4\n/)
  expect(failed.stderr).toContain('cutover enable blue2 --service shop --pool blue')
  expect(await states()).toEqual({ blue1: 'ready', blue2: 'drain', blue3: 'ready', blue4: 'ready' })

  await rm(flag)
  const [, resume = ''] = /^Go on with the rest: +cutover (.* --resume)$/m.exec(failed.stderr) ?? []
  expect(resume).toContain('roll shop --pool blue --exec ')
  const rest = await begin(['--exec', exec, '--watch', '0s', '--resume', '--json']).ended
  expect([rest.code, rest.stderr]).toEqual([0, ''])
  const events = rest.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  expect(
    events.filter(({ event }) => event === 'enabled').map(({ server, number, of }) => [server, number, of]),
  ).toEqual([
    ['blue2', 2, 4],
    ['blue3', 3, 4],
    ['blue4', 4, 4],
  ])
  expect(events.at(-1)).toMatchObject({
    event: 'end',
    complete: ['blue2', 'blue3', 'blue4'],
    failed: [],
    untouched: [],
  })
  expect(deployed.map(([name]) => name)).toEqual(NAMES)
  const again = await begin(['--exec', exec, '--resume']).ended
  expect([again.code, again.stderr]).toEqual([0, expect.stringMatching(/^Roll .* is complete: nothing is left to do/)])
})

test('a server that does worse than the others after it was deployed is taken out again', async () => {
  bad.add('blue1')
  const load = new Load({ url: `${cutover.proxy}/`, clients: 4, names: NAMES, onlyGet: true })
  await load.more(500)
  const { code, stdout, stderr } = await begin(['--exec', deploy(), '--watch', '20s']).ended
  expect(code).toBe(1)
  expect(stdout).toMatch(
    /blue1: drained again\n\[1\/4\] blue1: failed (\d+ of \d+ requests failed there|\S+ has ejected it)/,
  )
  expect(stderr).toMatch(/^Out of traffic: blue1\nUntouched: +blue2, blue3, blue4\n/)
  expect(await states()).toEqual({ blue1: 'drain', blue2: 'ready', blue3: 'ready', blue4: 'ready' })
  const { failures } = await load.stop()
  expect(Object.keys(failures)).toEqual(['status 500'])
})

test('what a server has answered before it was deployed is not held against it', async () => {
  badBefore.add('blue2')
  const load = new Load({ url: `${cutover.proxy}/`, clients: 4, names: NAMES, onlyGet: true })
  await load.more(500)
  const { code, stdout } = await begin(['--exec', deploy(), '--server', 'blue2', '--watch', '1s']).ended
  expect([code, stdout]).toEqual([0, expect.stringMatching(/blue2: watched [1-9]\d* requests, 0 failed/)])
  await load.stop()
})

test('Ctrl-C reaches the command, and what it leaves is said', async () => {
  const rolling = begin(['--exec', `trap 'echo gave up; exit 3' INT; echo waiting; while :; do sleep 0.05; done`])
  await rolling.printed(/\| waiting/)
  rolling.process.kill('SIGINT')
  const { code, stdout, stderr } = await rolling.ended
  expect(code).toBe(130)
  expect(stdout).toContain('blue1 | gave up')
  expect(stderr).toMatch(/^Out of traffic: blue1\nUntouched: +blue2, blue3, blue4\nGo on with the rest: /)
  expect(await states()).toMatchObject({ blue1: 'drain', blue2: 'ready' })
})

test('a server that is not idle in time: exit code 4, with what is in flight; nothing was run', async () => {
  while ((busy.get('blue1') ?? 0) === 0) {
    const count = held.length
    void fetch(`${cutover.proxy}/hold`).catch(() => undefined)
    await until(() => held.length > count)
  }
  const { code, stdout } = await begin(['--exec', deploy(), '--drain-timeout', '1s']).ended
  expect([code, deployed]).toEqual([4, []])
  expect(stdout).toMatch(/blue1: failed The change stands .* blue1 has 1 request in flight/)
})

test('a refusal says which option insists', async () => {
  const { status } = await cutover.api('PATCH', '/api/services/shop', { minReady: 4 })
  expect(status).toBe(200)
  const refused = await begin(['--exec', deploy()]).ended
  expect([refused.code, deployed]).toEqual([1, []])
  expect(refused.stdout).toMatch(/blue1: failed .* To do it nevertheless, add --force\./)
  expect(refused.stderr).not.toContain('Out of traffic')
  expect(await states()).toMatchObject({ blue1: 'ready' })
  const forced = await begin(['--exec', deploy(), '--force', '--watch', '0s']).ended
  expect(forced.code).toBe(0)
})

test('--canary-first and --parallel: one alone, then two at a time; those that somebody took out are left alone', async () => {
  await cutover.api('POST', '/api/servers/blue4/drain')
  const { code, stdout, stderr } = await begin([
    ...['--exec', deploy(), '--watch', '0s', '--canary-first', '--parallel', '2', '--json'],
  ]).ended
  expect(code).toBe(0)
  expect(stderr).toContain('blue4 is left alone: its state is drain. With --server blue4 it is rolled as well.')
  const events = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  const order = events
    .filter(({ event }) => ['draining', 'enabled'].includes(event))
    .map(({ event, server }) => `${event} ${server}`)
  expect(order.slice(0, 4)).toEqual(['draining blue1', 'enabled blue1', 'draining blue2', 'draining blue3'])
  expect(await states()).toMatchObject({ blue3: 'ready', blue4: 'drain' })
})

test.for([
  [['--exec', 'true', '--pool', 'red'], 2, 'Service shop has no pool red. It has: blue, green.'],
  [['--exec', 'true', '--server', 'blue9'], 2, 'Pool blue has no server blue9. It has: blue1, blue2, blue3, blue4.'],
  [['--exec', ' '], 2, '--exec is empty'],
  [[], 2, "required option '--exec <command>' not specified"],
  [['--exec', 'true', '--pool', 'green', '--resume'], 1, 'has no roll of pool green to resume'],
] as const)('%j is refused', async ([args, code, text]) => {
  const ran = await begin(args).ended
  expect(ran.code).toBe(code)
  expect(ran.stderr).toContain(text)
})

test('without health checks a server is put back when its command has ended', async () => {
  const { status } = await cutover.api('PATCH', '/api/services/shop', { health: 'off' })
  expect(status).toBe(200)
  const { code, stdout } = await begin(['--exec', deploy(), '--server', 'blue1', '--watch', '0s']).ended
  expect([code, stdout]).toEqual([0, expect.stringContaining('[1/1] blue1: enabled\n')])
})

test('--dry-run prints the commands, and does nothing', async () => {
  const { stdout } = await begin(['--exec', 'ssh {host} deploy {server}', '--dry-run']).ended
  expect(stdout).toBe(NAMES.map((name) => `${name}: ssh 127.0.0.1 deploy ${name}\n`).join(''))
  expect(await states()).toEqual(Object.fromEntries(NAMES.map((name) => [name, 'ready'])))
})
