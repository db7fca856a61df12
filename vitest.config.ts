import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    // Servers and receivers run beside the tests; more workers than this make each other slow.
    maxWorkers: 2,
    // A test that passes at the second try has found a race: it must be looked at, not repeated.
    retry: 0,
    // Bounds for a hang only. The first server of a major is downloaded inside a hook.
    testTimeout: 60_000,
    hookTimeout: 180_000,
  },
})
