import { chmodSync, existsSync, readdirSync, symlinkSync } from 'node:fs'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Outcome, Project } from './project.ts'

const PROMTOOL = 'node_modules/.bin/promtool'
let project: Project

beforeEach(async () => {
  project = new Project()
  project.write(
    'ensure.mjs',
    `import { main } from './scripts/lib/failure.mjs'
     import { ensurePromtool } from './scripts/lib/test-programs.mjs'
     await main(ensurePromtool)`,
  )
  project.write('node_modules/.bin/node', '')
  for (const [name, file] of [
    ['sh', '/bin/sh'],
    ['tar', existsSync('/usr/bin/tar') ? '/usr/bin/tar' : '/bin/tar'],
    ['env', '/usr/bin/env'],
  ] as const)
    symlinkSync(file, project.path(`bin/${name}`))
})

afterEach(() => project.remove())

/** Puts a program on the PATH. */
function program(name: string, script: string): void {
  project.write(`bin/${name}`, `#!/bin/sh\nPATH=/usr/bin:/bin\n${script}\n`)
  chmodSync(project.path(`bin/${name}`), 0o755)
}

/** A package of which `dpkg-deb` here makes an archive of two programs. */
function packages(aptGet: string): void {
  program('apt-get', `echo "$1" >> ${project.path('apt.log')}\n${aptGet}`)
  program(
    'dpkg-deb',
    `mkdir -p tree/usr/bin && echo promtool > tree/usr/bin/promtool && echo server > tree/usr/bin/prometheus
     tar -c -C tree .`,
  )
}

/** Runs with nothing on the PATH but what this test has put there. */
function ensure(): Promise<Outcome> {
  return project.start(['ensure.mjs'], { env: { PATH: project.path('bin') } }).ended
}

test('promtool is downloaded once, alone, and leaves nothing else behind', async () => {
  packages('touch prometheus_2.42.0_amd64.deb')
  expect(await ensure()).toEqual({ code: 0, output: expect.stringMatching(/^cutover: downloading promtool .*\n$/) })
  expect(existsSync(project.path(PROMTOOL))).toBe(true)
  expect(readdirSync(project.path('node_modules'))).toEqual(['.bin'])
  expect(await ensure()).toEqual({ code: 0, output: '' })
})

test('one that is on the PATH is used', async () => {
  program('promtool', '')
  expect(await ensure()).toEqual({ code: 0, output: '' })
})

test('without lists of packages they are read first', async () => {
  program('sudo', 'shift && exec "$@"')
  const lists = project.path('lists')
  packages(`case "$1" in
    update) touch ${lists} ;;
    download) [ -f ${lists} ] || exit 100; touch prometheus_2.42.0_amd64.deb ;;
  esac`)
  expect((await ensure()).code).toBe(0)
  expect(existsSync(project.path(PROMTOOL))).toBe(true)
})

test.each([
  ['nothing can be downloaded', () => packages('exit 100')],
  ['there is no apt-get', () => undefined],
])('if %s, it says what to install', async (_, prepare) => {
  prepare()
  const { code, output } = await ensure()
  expect(code).toBe(1)
  expect(output).toContain('the tests need promtool (2.42 or newer)')
  expect(output).toContain('sudo apt-get install --no-install-recommends prometheus')
  expect(readdirSync(project.path('node_modules'))).toEqual(['.bin'])
})
