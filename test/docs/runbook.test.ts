import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { ExampleStage } from '../examples/stage.ts'
import { ROOT } from '../library/program.ts'

const page = readFileSync(join(ROOT, 'docs/runbook.md'), 'utf8')
/** The commands of the page, with the heading that they stand below. */
const blocks = page
  .split(/^## /m)
  .flatMap((section) =>
    [...section.matchAll(/^```sh\n(.*?)^```/gms)].map(
      ([, script = '']) => [section.split('\n')[0] as string, script] as const,
    ),
  )

let stage: ExampleStage
beforeAll(async () => {
  stage = await ExampleStage.start()
  for (const name of ['blue1', 'blue2', 'green1']) await stage.server(name)
})
afterAll(() => stage?.stop())
beforeEach(async () => {
  await stage.define({ blue: ['blue1', 'blue2'], green: ['green1'] })
  await stage.cutover.api('POST', '/api/services/shop/switch', { to: 'green' })
  await stage.cutover.api('POST', '/api/services/shop/switch', { to: 'blue' })
})

test('the page has commands for each case', () => expect(blocks.length).toBeGreaterThanOrEqual(9))

test.each(blocks)('%s', async (heading, script) => {
  if (heading.startsWith('A rollout')) {
    await stage.cutover.api('POST', '/api/services/shop/rollouts', { to: 'green', steps: [{ pause: {} }] })
  }
  const here = script.replaceAll('http://127.0.0.1:9900', stage.cutover.admin)
  const env = { ...process.env, PATH: `${stage.folder}:${process.env.PATH}`, CUTOVER_ADMIN: stage.cutover.admin }
  const { stdout } = await promisify(execFile)('sh', ['-e', '-c', here], { env })
  expect(stdout).not.toBe('')
})
