/** Reads shared test data; null, with a word about it, where a checkout has none. */
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'

export function dataLines<T>(name: string): T[] | null {
  const file = fileURLToPath(new URL(`../../../shared/data/${name}`, import.meta.url))
  if (!existsSync(file)) {
    console.warn(`skipped: there is no ../shared/data/${name} beside this checkout`)
    return null
  }
  const lines = gunzipSync(readFileSync(file)).toString('utf8').trim().split('\n')
  return lines.map(line => JSON.parse(line) as T)
}
