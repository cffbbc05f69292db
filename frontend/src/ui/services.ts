import { createContext } from 'preact'
import { useContext } from 'preact/hooks'
import type { mountEditor } from '../binding/editor'
import type { PageSession } from '../protocol/session'
import type { Api, Identity } from '../transport/api'
import type { Lines } from '../transport/lines'
import type { ListStore } from './list/listStore'
import type { Departures } from './page/departures'

/** What the screens need from outside; main.tsx makes it. */
export interface Services {
  api: Api
  lines: Lines
  openSession(id: string): Promise<PageSession>
  /** Loads the editing surface, which is a file of its own. */
  loadEditor(): Promise<typeof mountEditor>
  list: ListStore
  departures: Departures
}

/** Who is signed in, and the way out. */
export interface Account {
  identity: Identity
  signOut(): void
  /** The server says that the session has ended. */
  signedOut(): void
}

export const ServicesContext = createContext<Services | null>(null)
export const AccountContext = createContext<Account | null>(null)

export function useServices(): Services {
  return present(useContext(ServicesContext))
}

export function useAccount(): Account {
  return present(useContext(AccountContext))
}

function present<T>(value: T | null): T {
  if (value === null) throw new Error('rendered outside of <App>')
  return value
}
