/** Over TLS and HTTP/2, with a certificate that the server signed itself. */
import { execFileSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { BrowserContext } from 'puppeteer-core'
import { expect, test } from 'vitest'
import { launch } from './src/browsers'
import { Person } from './src/person'
import { Server } from './src/server'

/** A certificate of this machine, and its key. */
function writeCertificate(folder: string): [cert: string, key: string] {
  const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')]
  const made = 'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=localhost'
  const names = ['-addext', 'subjectAltName=IP:127.0.0.1']
  execFileSync('openssl', [...made.split(' '), ...names, '-keyout', key, '-out', cert], { stdio: 'pipe' })
  return [cert, key]
}

async function tab(context: BrowserContext, name: string): Promise<Person> {
  const person = new Person(name, 'chromium', await context.newPage(), context)
  await person.page.emulateFocusedPage(true)
  await person.listen()
  return person
}

interface Hello {
  type: string
  pages: Record<string, number>
}

/** What the browser itself does with a stream, without our app. */
async function firstEvent(person: Person, page: string): Promise<Hello> {
  return person.page.evaluate(
    page =>
      new Promise<Hello>((done, fail) => {
        const source = new EventSource(`/api/events?page=${page}`)
        source.addEventListener('hello', ({ type, data }) => {
          source.close()
          done({ type, pages: JSON.parse(data).pages })
        })
        source.onerror = () => fail(new Error('the stream broke'))
      }),
    page,
  )
}

test('ten tabs of one browser live over one connection of HTTP/2', async () => {
  const TABS = 10
  const folder = await mkdtemp(join(tmpdir(), 'halley-tls-'))
  const [cert, key] = writeCertificate(folder)
  const server = await Server.start(undefined, '--tls-cert', cert, '--tls-key', key)
  const browser = await launch('chromium', { acceptInsecureCerts: true })
  try {
    const context = await browser.createBrowserContext()
    const quill = await tab(context, 'Quill')
    await quill.page.goto(server.url)
    await quill.page.waitForSelector('#name:focus')
    await quill.types('Quill')
    await quill.presses('Enter')
    await quill.reads('No pages yet')
    const [cookie] = await context.cookies()
    expect(cookie).toMatchObject({
      name: expect.stringMatching(/^halley-[0-9a-f]{8}$/),
      secure: true,
      httpOnly: true,
    })
    const page = await quill.page.evaluate(async () => {
      const headers = { 'Content-Type': 'application/json' }
      const made = await fetch('/api/pages', { method: 'POST', headers, body: '{}' })
      return (await made.json()).id as string
    })
    expect(await firstEvent(quill, page)).toEqual({ type: 'hello', pages: { [page]: 0 } })

    const tabs: Person[] = []
    for (let i = 0; i < TABS; i++) {
      const each = await tab(context, `Quill ${i}`)
      await each.opens(`${server.url}/p/${page}`)
      tabs.push(each)
    }
    const protocol = await tabs[TABS - 1]!.page.evaluate(
      () => (performance.getEntriesByType('navigation')[0] as PerformanceNavigationTiming).nextHopProtocol,
    )
    expect(protocol).toBe('h2')
    await tabs[0]!.goesToEnd()
    await tabs[0]!.types('Seen everywhere.')
    for (const each of tabs) await each.sees('Seen everywhere.')
    for (const { name, troubles } of [quill, ...tabs]) expect(troubles, name).toEqual([])
  } finally {
    await browser.close()
    await server.discard()
    await rm(folder, { recursive: true, force: true })
  }
})
