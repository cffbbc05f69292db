/** Pictures and attachments: where a browser shows them, and that it runs none of them. */
import { expect } from 'vitest'
import type { Person } from './src/person'
import { test } from './src/stage'

/** A picture of 2 × 1 dots. */
const DOTS = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAIAAAABCAYAAAD0In+KAAAAD0lEQVR4nGP4z8DwHwQBEPgD/U6VwW8AAAAASUVORK5CYII=',
  'base64',
)

/** How many dots wide each picture is that the browser shows; 0 where it has none. */
async function shown(person: Person, images: string): Promise<number[]> {
  return person.page.$$eval(images, all =>
    Promise.all(
      all.map(async image => {
        await (image as HTMLImageElement).decode().catch(() => {})
        return (image as HTMLImageElement).naturalWidth
      }),
    ),
  )
}

test('a picture is shown in its page, in the page as HTML, and by itself', async ({ stage }) => {
  const page = await stage.write('The dots:')
  const { path } = await stage.program.upload(page.id, 'dots.png', DOTS)
  await stage.program.edit(page.id, [
    { retain: 9 },
    { insert: { image: path }, attributes: { alt: 'Two dots' } },
  ])
  const quill = await stage.person('Quill')
  await quill.opens(stage.at(page))
  expect(await shown(quill, '.h-surface img[alt="Two dots"]'), 'in the editor').toEqual([2])
  await quill.page.goto(`${stage.server.url}/api/pages/${page.id}/content?format=html`)
  expect(await shown(quill, 'img'), 'as HTML').toEqual([2])
  await quill.page.goto(stage.server.url + path)
  expect(await shown(quill, 'img'), 'by itself').toEqual([2])
  // Chromium puts a script of its own around a picture, to zoom it: that may not run either.
  const said = quill.troubles.splice(0)
  expect(said.filter(text => !text.includes("the document's frame is sandboxed"))).toEqual([])
})

test('a file that would run something is only downloaded', async ({ stage }) => {
  const page = await stage.write('Files')
  const quill = await stage.person('Quill')
  for (const [name, data] of [
    ['page.html', '<!doctype html><script>document.title = "ran"</script>'],
    ['picture.svg', '<svg xmlns="http://www.w3.org/2000/svg" onload="document.title = \'ran\'"/>'],
    ['app.js', 'document.title = "ran"'],
  ] as const) {
    const { path } = await stage.program.upload(page.id, name, Buffer.from(data))
    await expect(quill.page.goto(stage.server.url + path), `${name} is opened`).rejects.toThrow('ERR_ABORTED')
    await quill.opens(stage.at(page))
    const ran = await quill.page.evaluate(async path => {
      const script = document.createElement('script')
      script.src = path
      await new Promise(resolve => {
        script.onload = script.onerror = resolve
        document.head.append(script)
      })
      return document.title
    }, path)
    expect(ran, `${name} as a script of the app`).not.toBe('ran')
    expect(quill.troubles.splice(0), `what the browser says of ${name}`).toEqual([
      expect.stringContaining(`Refused to execute script from '${stage.server.url}${path}'`),
    ])
  }
})
