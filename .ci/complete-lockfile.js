// Adds to package-lock.json the optional packages of other platforms that npm left out because it could not look them up
// when it wrote the file. Without them `npm ci` refuses the lockfile. Run it after `npm install`:
//   node .ci/complete-lockfile.js
import { readFileSync, writeFileSync } from 'node:fs'

const file = new URL('../package-lock.json', import.meta.url)
const lock = JSON.parse(readFileSync(file, 'utf8'))
const systems = { darwin: /darwin/, win32: /win32|windows/, android: /android/, freebsd: /freebsd/ }
const processors = { arm64: /arm64/, x64: /x64/, ia32: /ia32/, ppc64: /ppc64/, arm: /arm(?!64)/ }
const pick = (table, name) => Object.entries(table).find(([, pattern]) => pattern.test(name))?.[0]

for (const [place, owner] of Object.entries({ ...lock.packages }))
  for (const [name, version] of Object.entries(owner.optionalDependencies ?? {})) {
    if (lock.packages[`${place}/node_modules/${name}`] || lock.packages[`node_modules/${name}`]) continue
    lock.packages[`node_modules/${name}`] = {
      version,
      cpu: [pick(processors, name) ?? 'x64'],
      ...(owner.dev && { dev: true }),
      ...(/musl/.test(name) && { libc: ['musl'] }),
      optional: true,
      os: [pick(systems, name) ?? 'linux'],
    }
    process.stdout.write(`added ${name} ${version}\n`)
  }
lock.packages = Object.fromEntries(Object.entries(lock.packages).sort(([a], [b]) => a.localeCompare(b, 'en')))
writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`)
