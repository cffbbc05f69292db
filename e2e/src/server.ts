/** The built binary, serving one folder over as many lives as a test gives it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { PATIENCE_MS } from './patience'

const BINARY = resolve(process.env.HALLEY_BIN ?? join(import.meta.dirname, '../../bin/halley'))

export class Server {
  readonly dir: string
  /** All that it wrote so far. */
  log = ''
  #listen = '127.0.0.1:0'
  #process: ChildProcess | null = null

  readonly #flags: string[]
  #scheme = 'http'

  private constructor(dir: string, flags: string[]) {
    this.dir = dir
    this.#flags = flags
    // Also where the tests themselves are broken off.
    process.once('exit', this.#stop)
  }

  /** Starts a server at a free port, on a folder of its own or on that which is named. */
  static async start(dir?: string, ...flags: string[]): Promise<Server> {
    const server = new Server(dir ?? (await mkdtemp(join(tmpdir(), 'halley-e2e-'))), flags)
    await server.begin()
    return server
  }

  get url(): string {
    return `${this.#scheme}://${this.#listen}`
  }

  get port(): number {
    return Number(new URL(this.url).port)
  }

  /** Begins a life, after the first one at the same address; settles when it is ready. */
  async begin(): Promise<void> {
    const args = ['serve', '--data', this.dir, '--listen', this.#listen, '--rate-limits=off', ...this.#flags]
    const child = spawn(BINARY, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    this.#process = child
    child.stderr.on('data', chunk => {
      this.log += chunk
    })
    this.#listen = await new Promise<string>((done, fail) => {
      const giveUp = (why: string) => {
        child.kill('SIGKILL')
        fail(new Error(`the server ${why}; it said:\n${this.log}`))
      }
      const timer = setTimeout(() => giveUp('did not get ready'), PATIENCE_MS)
      let said = ''
      child.stdout.on('data', chunk => {
        said += chunk
        const ready = /listening on (https?):\/\/(\S+)\n/.exec(said)
        if (!ready) return
        clearTimeout(timer)
        this.#scheme = ready[1]!
        done(ready[2]!)
      })
      child.once('error', error => giveUp(`cannot be started (${error.message})`))
      child.once('exit', () => giveUp('ended'))
    })
  }

  readonly #stop = () => void this.#process?.kill('SIGKILL')

  /** Ends it as a power cut would. */
  async kill(): Promise<void> {
    const child = this.#process
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGKILL')
    await once(child, 'exit')
  }

  /** Ends it, and removes its folder. */
  async discard(): Promise<void> {
    await this.kill()
    process.off('exit', this.#stop)
    await rm(this.dir, { recursive: true, force: true })
  }
}
