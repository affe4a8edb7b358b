import { defineConfig } from 'vitest/config'
import { SummaryReporter } from './test/support/summary-reporter.ts'

// biome-ignore lint/style/noDefaultExport: this is where vitest looks for its configuration
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // npm run test:rollouts runs these, too; they take five minutes.
    exclude: process.env.LONG === undefined ? ['test/fleet/rollout-{leader,many,store-away}.test.ts'] : [],
    globalSetup: ['test/global-setup.mjs'],
    setupFiles: ['test/setup.ts'],
    reporters: ['default', new SummaryReporter()],
    // Real sockets and real processes, on machines with two cores. Most tests wait for most of their time: two workers a core.
    pool: 'forks',
    maxWorkers: 4,
    // Files share the processes of the workers: starting one per file costs as much CPU as the tests of most files.
    isolate: false,
    // A fleet is a dozen processes. Only what waits for long sets more: `vi.setConfig` outside of a file of tests would hold
    // for the first file alone, since modules are loaded once for many files.
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
})
