import { defineConfig } from 'vitest/config'
import { SummaryReporter } from './test/support/summary-reporter.ts'

// biome-ignore lint/style/noDefaultExport: this is where vitest looks for its configuration
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // npm run test:rollouts runs these; they take two minutes.
    exclude: process.env.LONG === undefined ? ['test/fleet/rollout-*.test.ts'] : [],
    globalSetup: ['test/bundle.mjs'],
    setupFiles: ['test/setup.ts'],
    reporters: ['default', new SummaryReporter()],
    // Real sockets and real processes, on machines with two cores.
    pool: 'forks',
    maxWorkers: 2,
    // Files share the processes of the workers: starting one per file costs as much CPU as the tests of most files.
    isolate: false,
    testTimeout: 30_000,
    hookTimeout: 30_000,
  },
})
