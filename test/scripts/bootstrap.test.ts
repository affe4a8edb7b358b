import { mkdirSync, utimesSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Project, until } from './project.ts'

const bootstrap = 'scripts/bootstrap.mjs'
let project: Project

beforeEach(() => {
  project = new Project()
  project.write('hello.js', `console.log('hello', process.argv.slice(2).join(' '))`)
})

afterEach(() => project.remove())

describe('installing', () => {
  test('happens on the first run and never again', async () => {
    expect(await project.run(bootstrap, 'hello.js', 'you')).toEqual({
      code: 0,
      output: expect.stringMatching(/^cutover: installing .*\nhello you\n$/),
    })
    expect(await project.run(bootstrap, '--', 'hello.js', '--loud')).toEqual({ code: 0, output: 'hello --loud\n' })
    expect(project.npmCalls()).toEqual(['ci --include=dev --no-audit --no-fund --loglevel=error'])
  })

  test('happens again when package-lock.json has changed', async () => {
    await project.run(bootstrap, 'hello.js')
    project.lock('another')
    await project.run(bootstrap, 'hello.js')
    expect(project.npmCalls()).toHaveLength(2)
  })

  test('takes what npm ci put there by hand for installed', async () => {
    await project.run(bootstrap, 'hello.js')
    project.write('node_modules/.cutover-installed', '')
    project.write('node_modules/.package-lock.json', JSON.stringify({ packages: { 'node_modules/node': {} } }))
    expect(await project.run(bootstrap, 'hello.js')).toEqual({ code: 0, output: 'hello \n' })
    expect(project.npmCalls()).toHaveLength(1)
  })

  test('is done once by two at the same time', async () => {
    const outcomes = await Promise.all([project.run(bootstrap, 'hello.js'), project.run(bootstrap, 'hello.js')])
    expect(outcomes.map(({ code }) => code)).toEqual([0, 0])
    expect(project.npmCalls()).toHaveLength(1)
  })

  test('takes over from one that died', async () => {
    const lock = project.path('.cutover-install.lock')
    mkdirSync(lock)
    utimesSync(lock, new Date(0), new Date(0))
    expect(await project.run(bootstrap, 'hello.js')).toMatchObject({ code: 0 })
  })

  test('that fails says so, starts nothing, and is tried again', async () => {
    project.npm('echo "npm error no network" >&2; exit 7')
    const failed = await project.run(bootstrap, 'hello.js')
    expect(failed.code).toBe(1)
    expect(failed.output).toMatch(
      /npm error no network\ncutover: npm ci failed \(exit code 7.*Nothing was started\.\n$/,
    )
    project.npm(`mkdir -p node_modules/.bin && ln -s ${process.execPath} node_modules/.bin/node`)
    expect(await project.run(bootstrap, 'hello.js')).toMatchObject({ code: 0 })
  })

  test('without the pinned Node says what to do', async () => {
    project.lock('one', '99.0.0')
    const { code, output } = await project.run(bootstrap, 'hello.js')
    expect(code).toBe(1)
    expect(output).toContain('the pinned Node v99.0.0 does not run')
    expect(output).toContain('npm rebuild node --ignore-scripts=false')
  })
})

describe('the process it runs', () => {
  beforeEach(() => project.run(bootstrap, 'hello.js'))

  const listening = `
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR2']) process.on(signal, () => console.log('got', signal))
    process.on('SIGTERM', () => setTimeout(() => process.exit(5), 500))
    setInterval(() => {}, 1000)
    console.log('here', process.pid)`

  test('gives its exit code, 128 + n for a signal', async () => {
    project.write('five.js', 'process.exit(5)')
    project.write('killed.js', `process.kill(process.pid, 'SIGKILL')`)
    expect((await project.run(bootstrap, 'five.js')).code).toBe(5)
    expect((await project.run(bootstrap, 'killed.js')).code).toBe(137)
  })

  test('gets SIGTERM, SIGHUP and SIGUSR2, and is waited for', async () => {
    project.write('listening.js', listening)
    const running = project.start([bootstrap, 'listening.js'])
    await until(() => running.output().includes('here'))
    for (const signal of ['SIGHUP', 'SIGUSR2', 'SIGTERM'] as const) {
      running.process.kill(signal)
      await until(() => running.output().includes(`got ${signal}`))
    }
    expect((await running.ended).code).toBe(5)
  })

  test('gets one SIGINT when the terminal signals the whole group and npm signals again', async () => {
    project.write('listening.js', listening)
    const running = project.start([bootstrap, 'listening.js'], { detached: true })
    await until(() => running.output().includes('here'))
    process.kill(-(running.process.pid ?? 0), 'SIGINT')
    running.process.kill('SIGINT')
    await until(() => running.output().includes('got SIGINT'))
    running.process.kill('SIGHUP')
    await until(() => running.output().includes('got SIGHUP'))
    expect(running.output().match(/got SIGINT/g)).toHaveLength(1)
    process.kill(Number(/here (\d+)/.exec(running.output())?.[1]), 'SIGKILL')
    expect((await running.ended).code).toBe(137)
  })

  test('is asked to stop when the script is killed', async () => {
    project.write('listening.js', listening)
    const running = project.start([bootstrap, 'listening.js'])
    await until(() => running.output().includes('here'))
    running.process.kill('SIGKILL')
    expect((await running.ended).output).toContain('got SIGTERM')
  })
})
