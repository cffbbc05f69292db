import './ui/theme.css'
import { render } from 'preact'
import { openSession } from './protocol/session'
import { Api } from './transport/api'
import { browserLines } from './transport/browser'
import { browserDeps } from './transport/http'
import { App } from './ui/app'
import { ListStore } from './ui/list/listStore'
import { Departures } from './ui/page/departures'
import { route } from './ui/router'

const api = new Api()
const lines = browserLines()
const loadEditor = () => import('./binding/editor').then(({ mountEditor }) => mountEditor)

// The editing surface is most of the app's bytes. A page needs it at once; for
// the list it is fetched when there is nothing better to do.
if (route.value.screen === 'page') void loadEditor()
else addEventListener('load', () => setTimeout(loadEditor, 1000))

render(
  <App
    services={{
      api,
      lines,
      openSession: id => openSession(id, browserDeps(lines)),
      loadEditor,
      list: new ListStore(api, listener => lines.followList(listener)),
      departures: new Departures(),
    }}
  />,
  document.getElementById('app')!,
)
