/** The disk under the server gets full, and has room again. */
import { execFileSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, rmdirSync, unlinkSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect } from 'vitest'
import { until } from './src/patience'
import { test as base } from './src/stage'

/** A small file system; null where it may not be mounted. */
function mountDisk(): string | null {
  const disk = mkdtempSync(join(tmpdir(), 'halley-disk-'))
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'tmpfs', disk], { stdio: 'ignore' })
    return disk
  } catch {
    rmdirSync(disk)
    return null
  }
}

/** Takes all the room that a disk has left; answers how to give it back. */
function fill(disk: string): () => void {
  const ballast = join(disk, 'ballast')
  const file = openSync(ballast, 'w')
  for (let size = 1 << 20; size >= 1 << 12; ) {
    try {
      writeSync(file, Buffer.alloc(size))
    } catch {
      size /= 4
    }
  }
  closeSync(file)
  return () => unlinkSync(ballast)
}

const disk = mountDisk()
afterAll(() => {
  if (disk === null) return
  execFileSync('umount', ['-l', disk])
  rmdirSync(disk)
})
const test = base.extend({ dir: disk === null ? undefined : join(disk, 'data') })

test.skipIf(disk === null)(
  'what is written while the disk is full is kept, and saved when there is room',
  async ({ stage }) => {
    const page = await stage.write('Before.')
    const [quill, ink] = await stage.two(page)
    const empty = fill(disk!)
    await until('the server has no room', async () => {
      await stage.program.create({ delta: [{ insert: `${'x'.repeat(1 << 16)}\n` }] }).catch(() => {})
      return (await fetch(`${stage.server.url}/readyz`)).status === 503 || undefined
    })

    await quill.goesToEnd()
    await quill.types(' Kept.')
    await quill.status('waiting')
    await until('Quill is told why', async () => {
      const why = await quill.page.$eval('[data-status]', chip => (chip as HTMLElement).dataset.tip ?? '')
      return /^The disk is full.*What you wrote stays in this tab/.test(why) || undefined
    })
    await quill.types(' More.')
    await ink.sees('Before.')
    expect(await ink.text()).toBe('Before.\n')

    empty()
    await ink.sees('Before. Kept. More.')
    await stage.agree(page, quill, ink)
  },
)
