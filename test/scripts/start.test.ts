import { existsSync, readFileSync } from 'node:fs'
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest'
import { Project, until } from './project.ts'

const start = 'scripts/start.mjs'
let project: Project

beforeEach(() => {
  project = new Project()
  project.write(
    'src/demo/main.ts',
    `console.log('apps are here')
    process.on('SIGTERM', () => { console.log('apps stop'); process.exit(0) })
    setInterval(() => {}, 1000)`,
  )
  project.write(
    'src/main.ts',
    `console.log('cutover', process.argv.slice(2).join(' '))
    console.log('cutover ready: proxy http://127.0.0.1:8080, admin http://127.0.0.1:9900')
    process.on('SIGINT', () => { console.log('cutover stops'); setTimeout(() => process.exit(0), 300) })
    process.on('SIGTERM', () => { console.log('cutover stops'); setTimeout(() => process.exit(0), 300) })
    setInterval(() => {}, 1000)`,
  )
})

afterEach(() => project.remove())

test('starts the apps, then Cutover, prints what to try, and stops the apps after Cutover', async () => {
  const running = project.start([start])
  await until(() => running.output().includes('Try:'))
  running.process.kill('SIGINT')
  const { code, output } = await running.ended
  expect(code).toBe(0)
  expect(output.replace(/^cutover: installing.*\n/, '')).toBe(`apps are here
cutover run --config ${project.path('config/cutover.yaml')}
cutover ready: proxy http://127.0.0.1:8080, admin http://127.0.0.1:9900

The dashboard is at http://127.0.0.1:9900/

Try:
  curl http://127.0.0.1:8080/
  curl -X POST http://127.0.0.1:9900/api/services/shop/switch
  curl http://127.0.0.1:9900/api/services

cutover stops
apps stop
`)
})

test('with --config starts Cutover alone', async () => {
  const running = project.start([start, '--config', 'mine.yaml'])
  await until(() => running.output().includes('cutover ready'))
  running.process.kill('SIGTERM')
  const { code, output } = await running.ended
  expect(code).toBe(0)
  expect(output).toContain('cutover run --config mine.yaml\n')
  expect(output).not.toMatch(/apps|Try/)
})

test('stops the apps when Cutover fails, and passes its exit code on', async () => {
  project.write('src/main.ts', 'process.exit(2)')
  expect(await project.run(start)).toMatchObject({ code: 2, output: expect.stringMatching(/apps stop\n$/) })
})

test('stops Cutover when the apps fail, and passes their exit code on', async () => {
  project.write('src/demo/main.ts', `console.log('apps are here'); setTimeout(() => process.exit(3), 1000)`)
  expect(await project.run(start)).toMatchObject({ code: 3, output: expect.stringMatching(/cutover stops\n$/) })
})

test('ends on a signal even if nobody reads its output, and Cutover has filled it', async () => {
  const written = project.path('written')
  project.write(
    'src/main.ts',
    `import { spawn } from 'node:child_process'
    console.log('cutover ready: proxy http://127.0.0.1:8080, admin http://127.0.0.1:9900')
    const loop = 'i=0; while :; do i=$((i+1)); echo ${'x'.repeat(5_000)}; echo $i > ${written}; done'
    const lines = spawn('sh', ['-c', loop], { stdio: 'inherit' })
    process.on('SIGTERM', () => { lines.kill('SIGKILL'); process.exit(0) })`,
  )
  const running = project.start([start])
  onTestFinished(() => void running.process.kill('SIGKILL'))
  await until(() => running.output().includes('Try:'))
  running.process.stdout?.removeAllListeners('data').pause()
  let seen = { text: '', since: performance.now() }
  await until(() => {
    const text = existsSync(written) ? readFileSync(written, 'utf8') : ''
    if (text === '' || text !== seen.text) seen = { text, since: performance.now() }
    return performance.now() - seen.since > 500
  })
  running.process.kill('SIGTERM')
  const code = await new Promise((resolve) => running.process.once('exit', resolve))
  expect(code).toBe(0)
})
