import { readFile, writeFile } from 'node:fs/promises'
import http from 'node:http'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Load } from '../support/load.ts'
import { startUpstream } from '../support/upstream.ts'
import { ExampleStage } from './stage.ts'

const APPS = ['app1', 'app2', 'app3', 'app4']

let stage: ExampleStage
/** Restarts a server when a stand-in asks for it, and says that it was idle. */
let machine: http.Server
const busyAtDeploy: number[] = []
const inFlight = new Map<string, number>()
/** Whether /health of the green servers answers 200. */
let isHealthy = true

beforeAll(async () => {
  stage = await ExampleStage.start()
  for (const name of APPS) await stage.server(name, counted(name))
  for (const name of ['blue1', 'green1'])
    await stage.server(name, (request, response) => {
      response.statusCode = request.url === '/health' && name === 'green1' && !isHealthy ? 500 : 200
      response.end(name)
    })
  machine = http.createServer(async (request, response) => {
    const name = String(request.url).slice(1)
    busyAtDeploy.push(inFlight.get(name) ?? 0)
    const before = stage.servers.get(name)
    await before?.close()
    stage.servers.set(name, await startUpstream(counted(name), { name, port: before?.port ?? 0 }))
    response.end()
  })
  await new Promise<void>((resolve) => machine.listen(0, '127.0.0.1', resolve))
  const { port } = machine.address() as { port: number }
  // A deployment restarts the app of its machine; a look at its health is answered by it.
  const restart = `${process.execPath} -e "await fetch('http://127.0.0.1:${port}/$NAME')"`
  const log = `echo "ssh $*" >> "$CALLS"; NAME=\${1#*@}`
  await stage.standIn('ssh', `${log}; case "$2" in *curl*) exit 0 ;; *exit*) exit 9 ;; *) ${restart} ;; esac`)
  await stage.standIn('scp', 'echo "scp $*" >> "$CALLS"')
})
afterAll(async () => {
  machine?.close()
  machine?.closeAllConnections()
  await stage?.stop()
})

function counted(name: string) {
  return (_request: unknown, response: http.ServerResponse) => {
    inFlight.set(name, (inFlight.get(name) ?? 0) + 1)
    response.once('close', () => inFlight.set(name, (inFlight.get(name) ?? 0) - 1))
    setTimeout(() => response.end(name), 5)
  }
}

function load(): Load {
  return new Load({ url: `${stage.cutover.proxy}/`, clients: 8, names: APPS })
}

async function endedWell(running: Load): Promise<void> {
  const { failures, sent, completed } = await running.stop()
  expect([failures, completed]).toEqual([{}, sent])
}

test('rolling-deployment: the script of many teams, as it stands but for its ssh; no request fails', async () => {
  await stage.define({ main: APPS })
  const running = load()
  const { code, stdout, stderr } = await stage.run('rolling-deployment/rolling.sh', [], {
    DRAIN_SECONDS: '1',
    VERSION: '1.5.0',
  })
  expect([code, stderr]).toEqual([0, ''])
  expect(stdout.trim().split('\n').at(-1)).toBe('All servers run 1.5.0')
  expect(busyAtDeploy.splice(0)).toEqual([0, 0, 0, 0])
  await running.more(100)
  await endedWell(running)
})

test('rolling-deployment: cutover roll; no request fails', async () => {
  await stage.define({ main: APPS })
  const running = load()
  const { code, stdout, stderr } = await stage.run('rolling-deployment/cutover.sh', [], {
    VERSION: '1.5.0',
    WATCH: '0s',
  })
  expect([code, stderr]).toEqual([0, ''])
  expect(stdout).toContain('✔ shop/main: app1, app2, app3, app4 rolled')
  expect(busyAtDeploy.splice(0)).toEqual([0, 0, 0, 0])
  await endedWell(running)
  expect((await stage.calls()).at(-1)).toMatch(/^ssh deploy@app4 docker pull shop:1.5.0 && docker stop shop/)
})

test('vm: the first machine is watched for longer, then the others in turn', async () => {
  await stage.define({ main: APPS }, { minReady: 3 })
  const before = (await stage.calls()).length
  const { code, stderr } = await stage.run('vm/deploy.sh', ['1.6.0'], { FIRST_WATCH: '0s', WATCH: '0s' })
  expect([code, stderr]).toEqual([0, ''])
  const copies = (await stage.calls()).slice(before).filter((line) => line.startsWith('scp'))
  // The stand-in restarts servers by their names; here all hosts are one address.
  expect(copies).toEqual(APPS.map(() => 'scp -q shop-1.6.0.tar.gz deploy@127.0.0.1:/tmp/'))
})

test.each(['drain/drain.sh', 'drain/cutover.sh'])(
  '%s ends when no request is in flight at the server',
  async (script) => {
    await stage.define({ main: APPS })
    const running = load()
    await running.more(50)
    const { code, stderr } = await stage.run(script, ['app2'], { TIMEOUT: '20' })
    expect([code, stderr]).toEqual([0, ''])
    expect(inFlight.get('app2') ?? 0).toBe(0)
    const { servers } = (await stage.cutover.api('GET', '/api/servers/app2')).body
    expect(servers[0]).toMatchObject({ state: 'drain', drained: true })
    await endedWell(running)
  },
)

test.each([
  ['automated-rollback/rollback.sh', true, 0],
  ['automated-rollback/rollback.sh', false, 1],
  ['automated-rollback/cutover.sh', true, 0],
  ['automated-rollback/cutover.sh', false, 1],
] as const)('%s, healthy: %s, ends with %i, and the traffic is where it belongs', async (script, healthy, expected) => {
  isHealthy = healthy
  await stage.define({ blue: ['blue1'], green: ['green1'] })
  // The same steps, with shorter times.
  const rollout = (await readFile(new URL('../../examples/automated-rollback/rollout.yaml', import.meta.url), 'utf8'))
    .replace('interval: 10s', 'interval: 100ms')
    .replace('duration: 10m', 'duration: 1s')
  await writeFile(join(stage.folder, 'rollout.yaml'), rollout)
  const env = { INTERVAL: '0.1', ROLLOUT: join(stage.folder, 'rollout.yaml') }
  const { code, stderr, stdout } = await stage.run(script, [], env)
  expect([code, stderr, stdout]).toEqual([expected, expect.anything(), expect.anything()])
  expect(await stage.split()).toEqual(healthy ? { blue: 0, green: 100 } : { blue: 100, green: 0 })
})

test('blue-green/cutover.sh switches, and is answered when blue is idle', async () => {
  await stage.define({ blue: ['blue1'], green: ['green1'] })
  const { code, stdout } = await stage.run('blue-green/cutover.sh', ['green'])
  expect([code, stdout]).toEqual([0, expect.stringContaining('all requests to green; blue drained')])
})

test('canary/cutover.sh raises the share of a healthy canary to all requests', async () => {
  await stage.define({ stable: ['blue1'], canary: ['green1'] })
  const rollout = (await readFile(new URL('../../examples/canary/rollout.yaml', import.meta.url), 'utf8'))
    .replaceAll('duration: 5m', 'duration: 1s')
    .replace('duration: 10m', 'duration: 1s')
    .replace('analysis:\n  metrics', 'analysis:\n  tick: 1s\n  minRequests: 5\n  metrics')
  await writeFile(join(stage.folder, 'canary.yaml'), rollout)
  const running = new Load({ url: `${stage.cutover.proxy}/`, clients: 4, names: ['blue1', 'green1'] })
  const { code, stderr } = await stage.run('canary/cutover.sh', [], { ROLLOUT: join(stage.folder, 'canary.yaml') })
  expect([code, stderr]).toEqual([0, expect.stringContaining('has begun: stable → canary')])
  expect(await stage.split()).toEqual({ stable: 0, canary: 100 })
  await endedWell(running)
})

test.each([
  ['docker-compose/deploy.sh', ['1.5.0'], 'docker', 'docker GREEN=1.5.0 compose up -d --no-deps --wait green'],
  ['kubernetes/deploy.sh', ['shop:1.5.0'], 'kubectl', 'kubectl set image deployment/shop-green shop=shop:1.5.0'],
  ['systemd/deploy.sh', ['green', '1.5.0'], 'systemctl', 'systemctl restart shop@green'],
] as const)('%s deploys to green, and gives it the requests', async (script, args, program, call) => {
  isHealthy = true
  await stage.define(
    { blue: ['blue1'], green: ['green1'] },
    { rollout: { steps: [{ setWeight: 50 }], watch: { duration: '0s' } } },
  )
  await stage.standIn(program, `echo "${program}\${GREEN:+ GREEN=$GREEN} $*" >> "$CALLS"`)
  await writeFile(join(stage.folder, 'green.env'), 'PORT=9003\nVERSION=1.4.0\n')
  const before = (await stage.calls()).length
  const { code, stderr } = await stage.run(script, args, { ENVIRONMENT: stage.folder })
  expect([code, stderr.includes('rror')]).toEqual([0, false])
  expect((await stage.calls())[before]).toBe(call)
  expect(await stage.split()).toEqual({ blue: 0, green: 100 })
  if (program === 'systemctl')
    expect(await readFile(join(stage.folder, 'green.env'), 'utf8')).toContain('VERSION=1.5.0')
})
