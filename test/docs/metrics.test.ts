import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { metricsPage } from '../../scripts/metrics-docs.ts'
import { ROOT } from '../library/program.ts'

test('docs/metrics.md is what npm run metrics writes', async () => {
  expect(await readFile(join(ROOT, 'docs/metrics.md'), 'utf8')).toBe(metricsPage())
})
