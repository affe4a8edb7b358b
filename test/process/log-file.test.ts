import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { Cutover } from '../support/cutover.ts'
import { Load } from '../support/load.ts'
import { until } from '../support/until.ts'
import { endAll, endWithAll, pool, upstream } from './support.ts'

afterEach(endAll)

/** Makes a write of several lines longer than a page of memory. */
const LONG_PATH = `/${'x'.repeat(3_000)}`
const EXAMPLE = join(import.meta.dirname, '../../examples/logrotate/cutover')

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'cutover-log-'))
  endWithAll(() => rm(folder, { recursive: true, force: true }))
  return folder
}

interface Setting {
  readonly workers: number
  readonly file: string
  readonly wrapper?: () => readonly string[]
}

async function logging({ workers, file, wrapper }: Setting): Promise<{ cutover: Cutover; load: () => Load }> {
  const services = { shop: { pools: { blue: pool(await upstream('blue1')) }, health: 'off' } }
  const proxy = { workers, accessLog: { file } }
  const cutover = await Cutover.start({ services, proxy, ...(wrapper && { wrapper }) })
  endWithAll(() => cutover.stop('SIGKILL'))
  return {
    cutover,
    load: () => new Load({ url: `${cutover.proxy}${LONG_PATH}`, clients: 20, pauseMs: 0, names: ['blue1'] }),
  }
}

/** The request ids of all lines in files. Throws if a line is not whole. */
async function idsIn(files: readonly string[]): Promise<string[]> {
  const texts = await Promise.all(files.map((file) => readFile(file, 'utf8')))
  return texts.flatMap((text) => {
    expect(text === '' || text.endsWith('\n')).toBe(true)
    return text
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line).requestId as string)
  })
}

test.each([0, 3])(
  'renaming the file and SIGUSR1 under load lose no line and double none: workers %i',
  async (workers) => {
    const folder = await newFolder()
    const file = join(folder, 'access.log')
    const { cutover, load: start } = await logging({ workers, file })
    const load = start()
    for (let i = 1; i <= 8; i++) {
      await load.more(300)
      await rename(file, `${file}.${i}`)
      cutover.process.kill('SIGUSR1')
      await until(() => existsSync(file))
    }
    // A worker may be replaced meanwhile.
    cutover.process.kill('SIGUSR2')
    await rename(file, `${file}.9`)
    cutover.process.kill('SIGUSR1')
    await load.more(300)
    const { completed, failures } = await load.stop()
    cutover.process.kill('SIGTERM')
    expect(await cutover.exited).toEqual({ code: 0, signal: null })
    expect(failures).toEqual({})
    const files = (await readdir(folder)).map((name) => join(folder, name))
    expect(files).toHaveLength(10)
    for (const each of files) expect((await stat(each)).mode & 0o777).toBe(0o640)
    const ids = await idsIn(files)
    expect(ids).toHaveLength(completed)
    expect(new Set(ids).size).toBe(completed)
    expect(cutover.stdout).not.toContain('requestId')
  },
)

const hasLogrotate = spawnSync('logrotate', ['--version']).status === 0

/** Does what logrotate does with the example, or has it do that: renames the file, then runs the script `postrotate`. */
async function rotate(folder: string, file: string, env: NodeJS.ProcessEnv): Promise<void> {
  const example = await readFile(EXAMPLE, 'utf8')
  const config = join(folder, 'logrotate.conf')
  await writeFile(config, example.replace('/var/log/cutover/access.log', file), { mode: 0o644 })
  if (hasLogrotate) {
    execFileSync('logrotate', ['--force', '--state', join(folder, 'state'), config], { env })
    return
  }
  const [, script = ''] = /postrotate\n(.*)\n\s*endscript/s.exec(example) ?? []
  await rename(file, `${file}.1`)
  await writeFile(file, '', { mode: 0o640 })
  execFileSync('sh', ['-c', script], { env })
}

test('examples/logrotate rotates it', async () => {
  const folder = await newFolder()
  const file = join(folder, 'access.log')
  const { cutover, load: start } = await logging({ workers: 2, file })
  // Stands for systemd, which knows the first process of the service.
  const systemctl = '#!/bin/sh\n[ "$*" = "kill -s USR1 --kill-whom=main cutover" ] && kill -USR1 $MAIN_PID\n'
  await writeFile(join(folder, 'systemctl'), systemctl, { mode: 0o755 })
  const load = start()
  await load.more(300)
  await rotate(folder, file, {
    ...process.env,
    PATH: `${folder}:${process.env.PATH}`,
    MAIN_PID: `${cutover.process.pid}`,
  })
  await until(async () => (await stat(file)).size > 0)
  const before = (await stat(`${file}.1`)).size
  await load.more(500)
  const { completed, failures } = await load.stop()
  expect(await cutover.stop()).toEqual({ code: 0, signal: null })
  expect(failures).toEqual({})
  expect(before).toBeGreaterThan(0)
  expect(await idsIn([`${file}.1`, file])).toHaveLength(completed)
})

test('SIGUSR1 without a file is logged, and does nothing else', async () => {
  const { cutover, load: start } = await logging({ workers: 0, file: '' })
  cutover.process.kill('SIGUSR1')
  await until(() => cutover.stderr.includes('SIGUSR1 ignored: the access log is not written to a file'))
  const load = start()
  await load.more(10)
  await load.stop()
  await until(() => cutover.stdout.includes('requestId'))
})

const canMount =
  process.platform === 'linux' && spawnSync('unshare', ['-rm', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt']).status === 0

test.runIf(canMount).each([0, 2])(
  'a full disk costs lines, which are counted, and nothing else: workers %i',
  async (workers) => {
    const folder = await newFolder()
    const mount = 'mount -t tmpfs -o size=512k tmpfs "$0" && head -c 256k /dev/zero > "$0/filler" && exec "$@"'
    const wrapper = (): readonly string[] => ['unshare', '-rm', 'sh', '-c', mount, folder]
    const file = join(folder, 'access.log')
    const { cutover, load: start } = await logging({ workers, file, wrapper })
    const inside = (path: string): string => join(`/proc/${cutover.process.pid}/root`, path)
    const dropped = async (): Promise<number> => {
      const { body } = await cutover.api('GET', '/metrics')
      return Number(/^cutover_access_log_dropped_total (\d+)$/m.exec(body)?.[1])
    }
    const load = start()
    await until(async () => (await dropped()) > 200)
    expect(cutover.stderr).toContain('the access log cannot be written: lines are dropped')
    expect(cutover.stderr).toContain('ENOSPC')
    const full = (await stat(inside(file))).size
    await rm(inside(join(folder, 'filler')))
    await until(async () => (await stat(inside(file))).size > full)
    await until(() => cutover.stderr.includes('the access log can be written again'))
    const { completed, failures } = await load.stop()
    expect(failures).toEqual({})
    // Beside whole lines, there are the beginnings of lines that did not fit.
    const whole = async (): Promise<string[]> =>
      (await readFile(inside(file), 'utf8')).split('\n').filter((line) => line.endsWith('}'))
    await until(async () => (await whole()).length + (await dropped()) >= completed)
    const ids = (await whole()).map((line) => JSON.parse(line).requestId as string)
    expect(new Set(ids).size).toBe(ids.length)
    expect(ids.length + (await dropped())).toBe(completed)
    expect((await stat(inside(file))).size).toBeGreaterThan(full)
    cutover.process.kill('SIGTERM')
    expect(await cutover.exited).toEqual({ code: 0, signal: null })
  },
)
