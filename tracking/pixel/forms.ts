import { fieldTags, targetOf } from './element.ts'
import { doc, listen } from './host.ts'
import { capture } from './queue.ts'
import { cleanUrl } from './url.ts'

type Field = HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement

/** Forms that someone began and did not send, with the field that was changed last. */
let open = new Map<Element, string>()

/** A field by name and kind; its value only where `data-track-value` asks for it, and never of a password. */
const fieldOf = (field: Field) => ({
  field: field.name || field.id,
  kind: field.type,
  value: field.matches('[data-track-value]:not([type=password])') ? field.value : undefined,
})
/** By attributes, not properties: an input named `id` or `action` hides those of its form. */
const formOf = (form: Element) => ({
  formId: form.getAttribute('id') ?? form.getAttribute('name'),
  formAction: cleanUrl(form.getAttribute('action')),
})

export const watchForms = (): void => {
  listen(doc, 'input change invalid', (event) => {
    const field = targetOf(event) as Field
    const form = field.closest('form')
    const { type } = event
    // Typing costs nothing more once the form is known to be begun.
    if (!form || !field.matches(fieldTags) || (type === 'input' && open.has(form))) return
    const data = { ...formOf(form), ...fieldOf(field) }
    if (type === 'invalid') {
      let error = ''
      for (const name in field.validity)
        if (name !== 'valid' && field.validity[name as keyof ValidityState]) error = name
      return capture('form_error', { ...data, error })
    }
    if (!open.has(form)) capture('form_start', data)
    open.set(form, data.field)
    if (type === 'change') capture('form_change', data)
  })
  listen(doc, 'submit', (event) => {
    const form = event.target as Element
    const fields = [...form.querySelectorAll<Field>(fieldTags)].map((field) => ({
      ...fieldOf(field),
      filled: !!field.value,
    }))
    open.delete(form)
    capture('form_submit', { ...formOf(form), fields })
  })
}

/** On leaving a page: the forms left open. */
export const reportAbandoned = (): void => {
  open.forEach((lastField, form) => {
    capture('form_abandon', { ...formOf(form), lastField })
  })
  open = new Map()
}
