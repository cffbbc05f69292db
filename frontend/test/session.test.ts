import { describe, expect, it } from 'vitest'
import { compose, type Delta, deltaLength } from '../src/protocol/delta'
import { openSession, type PageSession, type Surface } from '../src/protocol/session'
import { Problem } from '../src/protocol/wire'
import { Rng, randomChange, randomContent } from './random'
import { type Client, fine, newClient, setOnline, TestClock, TestServer, type Weather } from './world'

class Writer implements Surface {
  text: Delta
  readonly session: PageSession
  readonly client: Client
  constructor(session: PageSession, client: Client) {
    this.session = session
    this.client = client
    this.text = session.attach(this)
  }
  apply(delta: Delta): void {
    this.text = compose(this.text, delta)
  }
  replace(content: Delta): void {
    this.text = content
  }
  selection() {
    return null
  }
  types(delta: Delta): void {
    this.text = compose(this.text, delta)
    this.session.edit(delta)
  }
}

async function room(size: number, options: { text?: Delta; weather?: Weather; seed?: number } = {}) {
  const clock = new TestClock()
  const server = new TestServer(options.text ?? [{ insert: 'hello\n' }])
  const rng = new Rng(options.seed ?? 1)
  const writers: Writer[] = []
  for (let i = 0; i < size; i++) {
    const client = newClient(`client${i}`, server, clock, rng)
    const opening = openSession('page', client)
    await clock.pass(1)
    writers.push(new Writer(await opening, client))
    Object.assign(client.weather, options.weather ?? fine)
  }
  await clock.pass(50)
  return { clock, server, rng, writers }
}

const insert = (at: number, text: string): Delta => [...(at > 0 ? [{ retain: at }] : []), { insert: text }]

describe('sessions', () => {
  it('share what they write', async () => {
    const { clock, server, writers } = await room(2)
    writers[0]!.types(insert(5, '!'))
    writers[1]!.types(insert(0, 'Oh, '))
    await clock.pass(100)
    for (const writer of writers) expect(writer.text).toEqual([{ insert: 'Oh, hello!\n' }])
    expect(server.content).toEqual([{ insert: 'Oh, hello!\n' }])
    expect(writers[0]!.session.status).toEqual({ tag: 'saved' })
  })

  it('keep what was written offline, and send it on return', async () => {
    const { clock, server, writers } = await room(2)
    setOnline(writers[1]!.client, false, server)
    writers[1]!.types(insert(0, 'O'))
    writers[1]!.types(insert(1, 'h, '))
    writers[0]!.types(insert(5, '!'))
    await clock.pass(20_000)
    expect(writers[1]!.session.status).toEqual({ tag: 'offline', edits: 2 })
    setOnline(writers[1]!.client, true, server)
    await clock.pass(20_000)
    for (const writer of writers) expect(writer.text).toEqual([{ insert: 'Oh, hello!\n' }])
    expect(writers[1]!.session.status).toEqual({ tag: 'saved' })
  })

  it('end equal through delays, losses, lost answers and cut lines', async () => {
    for (let seed = 1; seed <= 60; seed++) {
      const rng = new Rng(seed)
      const weather = { maxDelay: rng.pick([5, 50, 400]), loss: 0.2, deafness: 0.2 }
      const { clock, server, writers } = await room(3, { text: randomContent(rng, 6), weather, seed })
      if (rng.chance(0.3)) server.maxLag = 2
      for (let i = 0; i < 40; i++) {
        const writer = rng.pick(writers)
        const act = rng.next()
        if (act < 0.75) writer.types(randomChange(rng, writer.text, 2))
        else if (act < 0.85) server.cut()
        else setOnline(writer.client, !writer.client.online, server)
        await clock.pass(rng.int(300))
      }
      for (const writer of writers) {
        Object.assign(writer.client.weather, fine)
        setOnline(writer.client, true, server)
      }
      await clock.pass(120_000)
      for (const writer of writers) {
        expect(writer.text, `seed ${seed}`).toEqual(server.content)
        expect(writer.session.status, `seed ${seed}`).toEqual({ tag: 'saved' })
      }
      const clients = new Set(server.changes.map(change => `${change.client}/${change.n}`))
      expect(clients.size, `each edit once (seed ${seed})`).toBe(server.changes.length)
      if (server.maxLag > 100) {
        for (const [key, bodies] of server.heard)
          expect(bodies.size, `${key} byte for byte (seed ${seed})`).toBe(1)
      }
    }
  }, 60_000)

  it('wait as long as the server says, and say why', async () => {
    const { clock, server, writers } = await room(1)
    server.refusals = [new Problem(507, 'disk-full', 'The disk is full', '', { retryAfter: 5 })]
    writers[0]!.types(insert(0, 'x'))
    await clock.pass(4000)
    expect(writers[0]!.session.status).toEqual({ tag: 'waiting', edits: 1, why: 'The disk is full' })
    await clock.pass(3000)
    expect(writers[0]!.session.status).toEqual({ tag: 'saved' })
    expect(server.content).toEqual([{ insert: 'xhello\n' }])
  })

  it.each([
    ['n-gap', 409],
    ['client-taken', 409],
  ])('take another client when told %s', async (type, status) => {
    const { clock, server, writers } = await room(1)
    server.refusals = [new Problem(status, type, 'No')]
    writers[0]!.types(insert(0, 'x'))
    await clock.pass(1000)
    expect(server.content).toEqual([{ insert: 'xhello\n' }])
    expect(writers[0]!.session.client).toBe('client0-2')
    expect(writers[0]!.session.status).toEqual({ tag: 'saved' })
  })

  it('find their change in the log when told n-reused', async () => {
    const { clock, server, writers } = await room(1)
    server.cut()
    server.refusals = [new Problem(409, 'n-reused', 'Reused')]
    server.write(insert(0, 'x'), 'client0-1', 1)
    writers[0]!.types(insert(0, 'x'))
    await clock.pass(5000)
    expect(server.content).toEqual([{ insert: 'xhello\n' }])
    expect(writers[0]!.text).toEqual([{ insert: 'xhello\n' }])
    expect(writers[0]!.session.client).toBe('client0-1')
  })

  it.each([
    ['trashed', 410, 'trashed'],
    ['forbidden', 403, 'forbidden'],
    ['not-found', 404, 'deleted'],
    ['signed-out', 401, 'signed-out'],
    ['epoch-changed', 409, 'epoch-changed'],
    ['invalid-edit', 422, 'refused'],
  ])('end when told %s, with what is unsent', async (type, status, why) => {
    const { clock, server, writers } = await room(1)
    server.refusals = [new Problem(status, type, 'No', 'In detail.')]
    writers[0]!.types(insert(0, 'x'))
    writers[0]!.types(insert(1, 'y'))
    await clock.pass(100)
    expect(writers[0]!.session.status).toEqual({
      tag: 'ended',
      why,
      detail: 'In detail.',
      unsent: [{ insert: 'xy' }],
    })
    expect(writers[0]!.session.editable).toBe(false)
    expect(server.lines.size).toBe(0)
  })

  it('load anew after a restore when nothing is unsent, and end when something is', async () => {
    const { clock, server, writers } = await room(2)
    writers[0]!.client.weather.loss = 1
    writers[0]!.types(insert(0, 'lost '))
    writers[1]!.types(insert(5, '!'))
    await clock.pass(1000)
    server.restore([{ insert: 'restored\n' }])
    await clock.pass(10_000)
    expect(writers[1]!.text).toEqual([{ insert: 'restored\n' }])
    expect(writers[0]!.session.status).toMatchObject({
      tag: 'ended',
      why: 'epoch-changed',
      unsent: [{ insert: 'lost ' }],
    })
    writers[1]!.types(insert(0, 'well '))
    await clock.pass(1000)
    expect(server.content).toEqual([{ insert: 'well restored\n' }])
    expect(writers[1]!.session.status).toEqual({ tag: 'saved' })
  })

  it('ask for changes that the stream left out', async () => {
    const { clock, server, writers } = await room(1)
    const lines = [...server.lines]
    server.lines.clear()
    for (let i = 0; i < 10; i++) server.write(insert(0, String(i)))
    for (const line of lines) server.lines.add(line)
    server.write(insert(0, 'x'))
    await clock.pass(100)
    expect(writers[0]!.text).toEqual([{ insert: 'x9876543210hello\n' }])
  })

  it('hold the text themselves until a surface is there', async () => {
    const { clock, server, writers } = await room(1)
    writers[0]!.session.detach(writers[0]!.text)
    server.write(insert(5, '!'))
    await clock.pass(100)
    expect(writers[0]!.session.attach(writers[0]!)).toEqual([{ insert: 'hello!\n' }])
    expect(deltaLength(server.content)).toBe(7)
  })

  it('say what their person is doing: typing, active, idle after five minutes, away, gone', async () => {
    const { clock, server, writers } = await room(1)
    const { client, session } = writers[0]!
    const told = async (ms: number, act = () => {}) => {
      client.said.length = 0
      act()
      await clock.pass(ms)
      return [...new Set(client.said)]
    }
    expect(client.said).toEqual(['active'])
    writers[0]!.types(insert(0, 'x'))
    expect(await told(1000)).toEqual(['typing'])
    expect(await told(2000)).toEqual(['active'])
    expect(await told(4 * 60_000)).toEqual([])
    client.stir()
    expect(await told(4 * 60_000)).not.toContain('idle')
    expect(await told(61_000)).toEqual(['idle'])
    expect(await told(1000, client.stir)).toEqual(['active'])
    client.visible = false
    expect(await told(1000, [...client.watchers][0])).toEqual(['away'])
    expect(await told(1000, () => session.close())).toEqual(['left'])
    expect(server.lines.size).toBe(0)
  })

  it('ask after their line when an edit gets no answer, or its change does not come', async () => {
    const { clock, server, writers } = await room(1)
    const { weather } = writers[0]!.client
    const checks = server.checks
    weather.loss = 1
    writers[0]!.types(insert(0, 'x'))
    await clock.pass(1000)
    expect(server.checks).toBeGreaterThan(checks)
    weather.loss = 0
    await clock.pass(5000)
    const before = server.checks
    server.lines.clear()
    writers[0]!.types(insert(0, 'y'))
    await clock.pass(2000)
    expect(server.checks).toBe(before + 1)
    expect(writers[0]!.session.status).toEqual({ tag: 'saved' })
  })

  it('take out again what is too much for the page, and keep what was written after it', async () => {
    for (let seed = 1; seed <= 40; seed++) {
      const weather = { maxDelay: 50, loss: 0.1, deafness: 0.1 }
      const { clock, server, writers } = await room(2, { weather, seed })
      const [one, other] = writers as [Writer, Writer]
      const told: string[] = []
      one.session.onTakenBack(problem => told.push(problem.type))
      server.full = true
      one.types(insert(2, '[much too much]'))
      one.types(insert(17, 'after'))
      other.types(insert(5, '!'))
      await clock.pass(20)
      one.types(insert(0, 'before '))
      await clock.pass(20_000)
      expect(told, `seed ${seed}`).toEqual(['page-full'])
      for (const { text, session } of writers) {
        expect(text, `seed ${seed}`).toEqual([{ insert: 'before heafterllo!\n' }])
        expect(session.status, `seed ${seed}`).toEqual({ tag: 'saved' })
      }
      expect(server.content).toEqual(one.text)
    }
  })
})
