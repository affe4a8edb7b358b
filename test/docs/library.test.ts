import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Project, ROOT } from '../library/program.ts'
import { Cutover } from '../support/cutover.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'

/** The programs on the page, in order. */
const programs = [...(await readFile(join(ROOT, 'docs/library.md'), 'utf8')).matchAll(/^```ts\n(.*?)^```/gms)].map(
  ([, program = '']) => program,
)

/** What a program says it prints, in the comments behind `console.log`, or below it. */
function promisedBy(program: string): string[] {
  return [...program.matchAll(/console\.log\(.*\)(?:\n *| )\/\/ (.*)$/gm)].map(([, printed = '']) => printed)
}

let project: Project
let blue: Upstream
let green: Upstream
let cutover: Cutover

beforeAll(async () => {
  project = await Project.create()
  blue = await startUpstream(undefined, { name: 'blue' })
  green = await startUpstream(undefined, { name: 'green' })
  const pools = { blue: { servers: { blue1: blue.url } }, green: { servers: { green1: green.url } } }
  cutover = await Cutover.start({ services: { shop: { pools, split: { blue: 100 } } } })
  await writeFile(join(project.folder, 'wrong.yaml'), 'services: { shop: { pols: {} , pools: { blue: {} } } }')
})
afterAll(async () => {
  await cutover.stop()
  await Promise.all([project.remove(), blue.close(), green.close()])
})

test('the page has programs', () => expect(programs).toHaveLength(3))

test.for(programs.map((program, index) => [index + 1, program] as const))(
  'program %i prints what it says',
  async ([, program]) => {
    const env = { BLUE: blue.url, GREEN: green.url, CUTOVER_ADMIN: cutover.admin, CUTOVER_TOKEN: 'none-is-needed' }
    const { code, stdout, stderr } = await project.run(program, env)
    expect([code, stderr]).toEqual([0, ''])
    expect(stdout.trimEnd().split('\n')).toEqual(promisedBy(program))
  },
)
