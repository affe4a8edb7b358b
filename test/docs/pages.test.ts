import { execFile } from 'node:child_process'
import { chmod, cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, test } from 'vitest'
import { ExampleStage } from '../examples/stage.ts'
import { ROOT } from '../library/program.ts'

/** Pages whose commands are run here, one block after the other. The README, rollouts and the runbook have tests of their own. */
const PAGES = ['cli', 'traffic', 'figures', 'importing']
/** Commands that go on until they are interrupted. */
const ENDLESS = /^cutover (run|top$|events -f|logs -f|rollout get shop -w)/
/** Files that the pages name, and what is there instead. */
const FILES: Readonly<Record<string, string>> = {
  '/etc/nginx/nginx.conf': 'nginx-site.conf',
  '/etc/haproxy/haproxy.cfg': 'haproxy-shop.cfg',
  'docker-compose.yml': 'traefik-compose.yaml',
  '/etc/caddy/Caddyfile': 'caddy-sites.caddyfile',
}

interface Block {
  readonly page: string
  readonly script: string
}

const blocks: Block[] = []
for (const page of PAGES) {
  const text = await readFile(join(ROOT, 'docs', `${page}.md`), 'utf8')
  for (const [, script = ''] of text.matchAll(/^```sh\n(.*?)^```/gms)) blocks.push({ page, script })
}

let stage: ExampleStage
let folder: string
beforeAll(async () => {
  stage = await ExampleStage.start()
  folder = await mkdtemp(join(tmpdir(), 'cutover-pages-'))
  await cp(join(ROOT, 'test/import/files'), folder, { recursive: true })
  await writeFile(join(folder, 'access.log'), '{"status":200}\n')
  for (const name of ['.local/share/bash-completion/completions', '.zfunc', '.config/fish/completions'])
    await mkdir(join(folder, name), { recursive: true })
  for (const name of ['blue1', 'blue2', 'green1', 'green2']) await stage.server(name)
  await stage.standIn('ssh', 'echo "$@"')
  for (const name of ['deploy.sh', 'migrate.sh']) {
    await writeFile(join(folder, name), '#!/bin/sh\necho "$@"\n')
    await chmod(join(folder, name), 0o755)
  }
})
afterAll(async () => {
  await stage?.stop()
  await rm(folder, { recursive: true, force: true })
})

/** A line of a page as it is run here: with the addresses and files of the test, and an end. */
function here(line: string): string {
  let text = line
    .replaceAll(/(http:\/\/127\.0\.0\.1|localhost):9900/g, stage.cutover.admin)
    .replaceAll('http://10.0.1.1:9000', stage.servers.get('green1')?.url ?? '')
    .replaceAll('http://10.0.1.2:9000', stage.servers.get('green2')?.url ?? '')
    .replaceAll('/var/log/cutover/access.log', 'access.log')
    .replaceAll('--wait 2h', '--wait 1s')
    .replaceAll(/--watch \d+s/g, '--watch 0s')
    .replaceAll('roll shop --exec', 'roll shop --watch 0s --exec')
    .replaceAll('run --config cutover.yaml', `run --config ${join(ROOT, 'test/docs/free-ports.yaml')}`)
    .replaceAll('logs -f', 'logs -f --file access.log')
  for (const [file, instead] of Object.entries(FILES)) text = text.replaceAll(file, instead)
  if (ENDLESS.test(line.replace(/ +#.*/, ''))) return endsWith(`timeout -s INT 2 ${text}`, 0, 124)
  if (line.startsWith('cutover rollout start')) return endsWith(text, 4)
  // No name is ordered here.
  if (line.startsWith('cutover certificates renew')) return endsWith(text, 1, 2)
  // 1: something could not be said.
  if (line.startsWith('cutover import')) return endsWith(text, 0, 1)
  return text
}

/** A command of the shell that must end with one of these exit codes. */
function endsWith(command: string, ...codes: readonly number[]): string {
  return `code=0; ${command.replace(/ +#.*/, '')} || code=$?; case $code in ${codes.join('|')}) ;; *) exit $code; esac`
}

test.each(blocks)('$page: $script', async ({ script }) => {
  await stage.define({ blue: ['blue1', 'blue2'], green: ['green1', 'green2'] })
  for (const to of ['green', 'blue']) await stage.cutover.api('POST', '/api/services/shop/switch', { to })
  await rm(join(folder, 'cutover.yaml'), { force: true })
  if (!script.startsWith('cutover init')) await cp(join(ROOT, 'config/cutover.yaml'), join(folder, 'cutover.yaml'))
  const env = {
    ...process.env,
    HOME: folder,
    PATH: `${stage.folder}:${process.env.PATH}`,
    CUTOVER_ADMIN: stage.cutover.admin,
  }
  const lines = script.replaceAll('\\\n', ' ').split('\n').map(here)
  await promisify(execFile)('sh', ['-c', ['set -e', ...lines].join('\n')], { cwd: folder, env })
})
