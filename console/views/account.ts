import { change } from '../call.ts'
import { button, el, field, section, toast } from '../dom.ts'
import { timeText } from '../format.ts'
import type { View } from '../view.ts'

/** Who is logged in, and the second factor of their token. */
export const view: View = {
  title: 'Your login',
  async show({ session, root }) {
    const { holder } = session
    const factor = el('div', {})
    root.append(
      el('p', {}, `${holder.name}, as ${holder.role}, until ${timeText(session.expires_at)}.`),
      section('Second factor', factor),
    )
    const code = el('input', { inputmode: 'numeric', maxlength: 6, autocomplete: 'one-time-code' })
    const act = async (verb: 'confirm' | 'remove', text: string): Promise<void> => {
      try {
        await change('POST', `/console/code/${verb}`, { code: code.value })
        toast(text)
        factor.replaceChildren(el('p', {}, text))
      } catch (error) {
        toast(String((error as Error).message), true)
      }
    }
    if (!session.can_have_code || holder.role === 'viewer')
      factor.append(el('p', {}, 'Tokens of clients and operators can have one; the admin token and viewers have none.'))
    else if (session.has_code)
      factor.append(
        el('p', {}, 'Your token needs a code. It counts for logins only, not for programs.'),
        field('Code', code),
        button('Remove the second factor', () => act('remove', 'Your token needs no code any more.')),
      )
    else
      factor.append(
        el('p', {}, 'With one, a login also needs a code of an authenticator, and the token counts for logins only.'),
        button('Set one up', async () => {
          const { secret, address } = await change<{ secret: string; address: string }>('POST', '/console/code/offer')
          factor.replaceChildren(
            el(
              'p',
              {},
              'Give this secret to your authenticator; it is shown this once. Then type the code that it shows.',
            ),
            el('p', {}, el('code', { class: 'secret' }, secret)),
            el('p', {}, el('a', { href: address }, 'Open it in an authenticator on this device')),
            field('Code', code),
            button('Turn it on', () => act('confirm', 'From now on your login needs a code.')),
          )
        }),
      )
  },
}
