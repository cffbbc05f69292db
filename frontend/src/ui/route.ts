/** Where in the app an address leads. */
export type Route =
  | { screen: 'list'; query: string; trash: boolean }
  | { screen: 'page'; id: string }
  | { screen: 'unknown' }

/** Reads the path and query of an address within the app. */
export function parseRoute(url: URL): Route {
  if (url.pathname === '/') {
    return {
      screen: 'list',
      query: url.searchParams.get('q') ?? '',
      trash: url.searchParams.has('trash'),
    }
  }
  const id = /^\/p\/([A-Za-z0-9_-]+)\/?$/.exec(url.pathname)?.[1]
  return id ? { screen: 'page', id } : { screen: 'unknown' }
}

/** The address of the list, of a search in it, or of the trash. */
export function listHref(view: { query?: string; trash?: boolean } = {}): string {
  const params = new URLSearchParams()
  if (view.trash) params.set('trash', '1')
  if (view.query) params.set('q', view.query)
  const search = params.toString()
  return search ? `/?${search}` : '/'
}

export function pageHref(id: string): string {
  return `/p/${id}`
}
