import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['*.test.ts'],
    globalSetup: 'src/chromium.ts',
    // One at a time: browsers and a server share the machine's cores already.
    fileParallelism: false,
    testTimeout: 90_000,
    hookTimeout: 60_000,
  },
})
