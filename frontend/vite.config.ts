import { writeFileSync } from 'node:fs'
import { defineConfig } from 'vitest/config'

// The server that `npm run dev` passes API calls on to.
const server = process.env.HALLEY_URL ?? 'http://127.0.0.1:8080'

export default defineConfig({
  build: {
    target: 'es2022',
    modulePreload: { polyfill: false },
    // The server's content security policy allows no inline data for scripts
    // and styles, and every asset is cached for ever under its hashed name.
    assetsInlineLimit: 0,
    reportCompressedSize: true,
  },
  plugins: [
    {
      // dist/.gitkeep lets Go embed the folder before anything was built;
      // Vite empties the folder first, so it is put back.
      name: 'keep-gitkeep',
      closeBundle() {
        writeFileSync(new URL('dist/.gitkeep', import.meta.url), '')
      },
    },
  ],
  server: {
    port: 5173,
    proxy: { '/api': server, '/files': server, '/licences': server, '/problems': server },
  },
  test: {
    environment: 'node',
    // No test is about time; on a busy machine the long ones take a while.
    testTimeout: 120_000,
    include: ['src/**/*.test.{ts,tsx}', 'test/**/*.test.{ts,tsx}'],
  },
})
