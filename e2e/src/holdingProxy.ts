/** A proxy that passes an answer on only when it is whole, as some do unless they are told otherwise. */
import { once } from 'node:events'
import { createServer, request, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'

export class HoldingProxy {
  /** The requests for events that it passed on, by what they accept. */
  readonly asked: string[] = []
  readonly #server: Server

  private constructor(target: number) {
    this.#server = createServer((near, answer) => {
      if (near.url!.startsWith('/api/events')) this.asked.push(near.headers.accept ?? '')
      const { method, url: path } = near
      // Without the address by which the browser came, which the server would take for another site's.
      const headers = { ...near.headers, host: `127.0.0.1:${target}` }
      if (headers.origin) headers.origin = `http://127.0.0.1:${target}`
      const far = request({ host: '127.0.0.1', port: target, method, path, headers }, async response => {
        const pieces: Buffer[] = []
        try {
          for await (const piece of response) pieces.push(piece)
          answer.writeHead(response.statusCode!, response.headers).end(Buffer.concat(pieces))
        } catch {
          answer.destroy()
        }
      })
      far.on('error', () => answer.destroy())
      answer.on('close', () => far.destroy())
      near.pipe(far)
    })
  }

  static async before(target: number): Promise<HoldingProxy> {
    const proxy = new HoldingProxy(target)
    proxy.#server.listen(0, '127.0.0.1')
    await once(proxy.#server, 'listening')
    return proxy
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }
}
