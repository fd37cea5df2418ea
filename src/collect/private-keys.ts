/**
 * Keys whose values are private, whatever the value looks like. This file is the one place of the list; REDACT_KEYS adds
 * to it. Keys are compared word by word (`accessToken`, `access_token` and `access-token` are the same two words), so
 * that `message`, `page`, `passenger`, `tokenize` and `product_name` are left alone.
 */
export type PrivacyLevel = 'standard' | 'gdpr' | 'hipaa'

/** Private wherever the word stands in the key. */
const words: Record<PrivacyLevel, readonly string[]> = {
  standard: [
    ...['password', 'passwd', 'passwort', 'passcode', 'passphrase', 'pwd', 'secret', 'secrets', 'token', 'tokens'],
    ...['authorization', 'bearer', 'jwt', 'cookie', 'cookies', 'credential', 'credentials', 'otp', 'totp'],
    ...['cvv', 'cvv2', 'cvc', 'cvc2', 'iban', 'ssn', 'passport', 'apikey'],
  ],
  gdpr: [
    ...['firstname', 'lastname', 'surname', 'fullname', 'street', 'postcode', 'zipcode', 'birthday', 'birthdate'],
    ...['dob', 'gender', 'religion', 'ethnicity', 'nationality', 'latitude', 'longitude'],
  ],
  hipaa: [
    ...['patient', 'diagnosis', 'diagnoses', 'medication', 'medications', 'prescription', 'mrn', 'symptom', 'symptoms'],
    ...['insurance', 'treatment', 'allergy', 'allergies', 'physician', 'fax'],
  ],
}

/** Private when the key ends with these words (a number after them does not count). */
const endings: Record<PrivacyLevel, readonly string[]> = {
  standard: [
    ...['email', 'e mail', 'mail', 'email address', 'mail address', 'phone', 'telephone', 'tel', 'phone number', 'pin'],
    ...[
      'telephone number',
      'mobile number',
      'cell number',
      'mobile phone',
      'cell phone',
      'whatsapp number',
      'pin code',
    ],
    ...['api key', 'private key', 'secret key', 'access key', 'session cookie', 'security code', 'verification code'],
    ...['credit card', 'debit card', 'card number', 'card no', 'cc number', 'cc num', 'card code', 'card expiry'],
    ...['account number', 'routing number', 'sort code', 'bank account', 'tax id', 'national id', 'id number'],
    ...['social security', 'social security number', 'drivers license', 'driver license', 'license number'],
    ...['security answer', 'mfa code', 'sms code', 'one time code', 'pass', 'pw'],
  ],
  gdpr: [
    ...['first name', 'last name', 'full name', 'family name', 'given name', 'middle name', 'maiden name'],
    ...['address', 'address line', 'shipping address', 'billing address', 'home address', 'postal code', 'zip code'],
    ...['zip', 'date of birth', 'birth date', 'birth day', 'customer name', 'contact name', 'your name', 'lat', 'lng'],
  ],
  hipaa: [
    ...['medical record', 'medical record number', 'health plan', 'member id', 'policy number', 'blood type'],
    ...['admission date', 'discharge date', 'appointment date', 'date of death', 'device serial', 'serial number'],
  ],
}

/** The same in one run of letters, as form fields are often called. */
const runTogether =
  /(?:creditcard|debitcard|cardnumber|cardno$|ccnumber|ccnum$|emailaddress|phonenumber|mobilenumber|socialsecurity|accesstoken|refreshtoken|authtoken|sessiontoken|csrftoken|userpassword|newpassword|oldpassword|passwordconfirm|securitycode|useremail|customeremail|usermail|userphone|customerphone)/

const levels: readonly PrivacyLevel[] = ['standard', 'gdpr', 'hipaa']
/** Answers that are kept: senders may use any key, so the cache needs an end. */
const cachedKeysMax = 5_000
const cachedKeyCharsMax = 100

/** Answers whether the value of a key is private at this level; `extraKeys` compare by their words, too. */
export const createPrivateKeys = (level: PrivacyLevel, extraKeys: readonly string[]): ((key: string) => boolean) => {
  const active = levels.slice(0, levels.indexOf(level) + 1)
  const anywhere = new Set(active.flatMap((one) => words[one]))
  const atEnd = active.flatMap((one) => endings[one])
  const extra = new Set(extraKeys.map((key) => wordsOf(key).join(' ')))
  const known = new Map<string, boolean>()

  const judge = (key: string): boolean => {
    const parts = wordsOf(key)
    const phrase = parts.join(' ')
    if (extra.has(phrase) || parts.some((word) => anywhere.has(word) || anywhere.has(word.replace(/\d+$/, ''))))
      return true
    const named = phrase.replace(/(?: ?\d+)+$/, '')
    return atEnd.some((end) => named === end || named.endsWith(` ${end}`)) || runTogether.test(parts.join(''))
  }

  return (key) => {
    const before = known.get(key)
    if (before !== undefined) return before
    const answer = judge(key)
    if (known.size < cachedKeysMax && key.length <= cachedKeyCharsMax) known.set(key, answer)
    return answer
  }
}

const wordsOf = (key: string): string[] =>
  key
    .slice(0, 200)
    .replace(/([a-z0-9])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .split(/[^\p{L}\p{N}]+/u)
    .filter((word) => word !== '')
