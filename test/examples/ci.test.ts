import { execFile } from 'node:child_process'
import { copyFile, mkdtemp, readFile, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { validateWorkflow } from '@action-validator/core'
import { expect, onTestFinished, test } from 'vitest'
import { EXAMPLES } from './stage.ts'

const run = promisify(execFile)
const GITLAB = createRequire(import.meta.url).resolve('gitlab-ci-local')

test('the workflow is one that GitHub reads, by its schema', async () => {
  const text = await readFile(join(EXAMPLES, 'ci/github-actions.yml'), 'utf8')
  expect(validateWorkflow(text).errors).toEqual([])
  expect(validateWorkflow(text.replace('runs-on', 'run-on')).errors).not.toEqual([])
})

test('the pipeline is one that GitLab reads, by its schema, with both jobs for a tag', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'cutover-gitlab-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  await copyFile(join(EXAMPLES, 'ci/gitlab-ci.yml'), join(folder, '.gitlab-ci.yml'))
  await run('git', ['init', '-q'], { cwd: folder })
  await run('git', ['remote', 'add', 'origin', 'git@example.com:group/shop.git'], { cwd: folder })
  const args = [GITLAB, '--list-json', '--variable', 'CI_COMMIT_TAG=v1.5.0']
  const { stdout } = await run(process.execPath, args, { cwd: folder })
  expect(JSON.parse(stdout)).toMatchObject([
    { name: 'deploy', when: 'on_success', allow_failure: { exit_codes: 3 } },
    { name: 'approve', when: 'manual' },
  ])
})
