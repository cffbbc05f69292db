import { useSignal } from '@preact/signals'
import { useCallback, useEffect, useRef } from 'preact/hooks'
import type { Identity } from '../transport/api'
import { Message } from './controls/message'
import { Toasts } from './controls/toast'
import { Tooltip } from './controls/tooltip'
import { Unreachable } from './controls/unreachable'
import { ListScreen } from './list/listScreen'
import { PageScreen } from './page/pageScreen'
import type { Route } from './route'
import { route } from './router'
import { AccountContext, type Services, ServicesContext, useServices } from './services'
import { strings } from './strings'
import { Welcome } from './welcome'

/** The whole app. */
export function App({ services }: { services: Services }) {
  return (
    <ServicesContext.Provider value={services}>
      <Gate />
      <Toasts />
      <Tooltip />
    </ServicesContext.Provider>
  )
}

type Who =
  | { tag: 'asking' }
  | { tag: 'unreachable' }
  | { tag: 'nobody' }
  | { tag: 'somebody'; identity: Identity }

/** Asks who is there before it shows anything of the workspace. */
function Gate() {
  const { api, lines, list, departures } = useServices()
  const who = useSignal<Who>({ tag: 'asking' })

  const enter = (identity: Identity) => {
    lines.enter(identity.id)
    who.value = { tag: 'somebody', identity }
  }
  const ask = useCallback(async () => {
    try {
      const identity = await api.session()
      if (identity) enter(identity)
      else who.value = { tag: 'nobody' }
    } catch {
      who.value = { tag: 'unreachable' }
    }
  }, [])

  useEffect(() => {
    void ask()
    const warn = (event: BeforeUnloadEvent) => {
      if (departures.unsent > 0) event.preventDefault()
    }
    addEventListener('beforeunload', warn)
    return () => removeEventListener('beforeunload', warn)
  }, [])

  const signedOut = () => {
    lines.leave()
    list.clear()
    who.value = { tag: 'nobody' }
  }
  list.onSignedOut = signedOut

  switch (who.value.tag) {
    case 'asking':
      return null
    case 'unreachable':
      return <Unreachable retry={ask} />
    case 'nobody':
      return <Welcome enter={enter} />
    case 'somebody': {
      const signOut = async () => {
        await api.signOut()
        lines.signedOut()
        signedOut()
      }
      return (
        <AccountContext.Provider value={{ identity: who.value.identity, signOut, signedOut }}>
          <Screen />
        </AccountContext.Provider>
      )
    }
  }
}

/** The screen that the address names; the focus starts afresh on each. */
function Screen() {
  const at = route.value
  const place = at.screen === 'page' ? at.id : at.screen
  const top = useRef<HTMLDivElement>(null)
  const first = useRef(true)
  useEffect(() => {
    if (!first.current && document.activeElement === document.body) top.current?.focus()
    first.current = false
  }, [place])
  return (
    <>
      <div ref={top} tabIndex={-1} />
      <ScreenAt at={at} />
    </>
  )
}

function ScreenAt({ at }: { at: Route }) {
  switch (at.screen) {
    case 'list':
      return <ListScreen query={at.query} trash={at.trash} />
    case 'page':
      return <PageScreen key={at.id} id={at.id} />
    case 'unknown':
      return (
        <Message words={strings.unknown}>
          <a href="/" class="button primary">
            {strings.list.backToPages}
          </a>
        </Message>
      )
  }
}
