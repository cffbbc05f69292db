import { render } from 'preact'

render(<main>Halley</main>, document.getElementById('app') as HTMLElement)
