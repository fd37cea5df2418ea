import { CallError, change } from './call.ts'
import { el, field } from './dom.ts'

/** Asks for a token, and for the code where the token has a second factor. */
export const showLogin = (main: HTMLElement, done: () => Promise<void>): void => {
  const token = el('input', {
    type: 'password',
    name: 'token',
    autocomplete: 'current-password',
    required: true,
    spellcheck: 'false',
  })
  const code = el('input', {
    name: 'code',
    inputmode: 'numeric',
    autocomplete: 'one-time-code',
    maxlength: 6,
    pattern: '[0-9]{6}',
  })
  const codeField = field('Code of your authenticator', code)
  codeField.hidden = true
  const said = el('p', { class: 'said', role: 'alert' })
  const send = el('button', { class: 'main' }, 'Log in')
  const form = el(
    'form',
    {
      class: 'login',
      submit: (event: Event) => {
        event.preventDefault()
        void attempt()
      },
    },
    el('h1', {}, 'Evothesis'),
    field('Token', token),
    codeField,
    send,
    said,
    el(
      'p',
      { class: 'hint' },
      'A token is made on the machine: ',
      el('code', {}, 'npx evothesis token create --name you --role operator'),
      '. The admin token, which is in the file admin-token of its data folder, logs in, too.',
    ),
  )
  const attempt = async (): Promise<void> => {
    send.disabled = true
    said.textContent = ''
    try {
      await change('POST', '/console/login', { token: token.value.trim(), ...(code.value && { code: code.value }) })
      await done()
    } catch (error) {
      if (error instanceof CallError && error.code === 'code_needed' && codeField.hidden) {
        codeField.hidden = false
        code.focus()
      } else said.textContent = error instanceof Error ? error.message : String(error)
    } finally {
      send.disabled = false
    }
  }
  main.replaceChildren(form)
  token.focus()
}
