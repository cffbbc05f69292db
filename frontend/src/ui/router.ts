/** Where in the app an address leads. */
export type Route =
  | { screen: 'list'; query: string; trash: boolean }
  | { screen: 'page'; id: string }
  | { screen: 'unknown' }

/** Reads the path and query of an address within the app. */
export function parseRoute(url: URL): Route {
  if (url.pathname === '/') {
    return { screen: 'list', query: url.searchParams.get('q') ?? '', trash: url.searchParams.has('trash') }
  }
  const id = /^\/p\/([A-Za-z0-9_-]+)\/?$/.exec(url.pathname)?.[1]
  return id ? { screen: 'page', id } : { screen: 'unknown' }
}
