import { execFileSync, spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import Ajv from 'ajv-draft-04'
import addFormats from 'ajv-formats'
import t from 'tap'
import { parse } from 'yaml'
import { loadRelease } from '../../src/provisioning/release.ts'
import { render } from '../../src/provisioning/render.ts'
import { type ClientName, clientTexts, testClient } from '../provisioning/clients.ts'

const root = path.join(import.meta.dirname, '../..')
const filesBelow = (folder: string): string[] =>
  readdirSync(path.join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name))

t.test('every cloud-init file is one, by the schema of cloud-init', async (t) => {
  const schema = JSON.parse(readFileSync(path.join(import.meta.dirname, 'schemas/cloud-config-v1.schema'), 'utf8'))
  const ajv = new Ajv.default({ strict: false, allErrors: true })
  addFormats.default(ajv)
  const isCloudConfig = ajv.compile(schema)
  for (const name of Object.keys(clientTexts) as ClientName[]) {
    const text =
      render(testClient(name), loadRelease('0.1.0')).find((one) => one.path === 'cloud-init.yaml')?.text ?? ''
    t.equal(text.split('\n')[0], '#cloud-config')
    const document = parse(text)
    t.ok(isCloudConfig(document), `${name}: ${ajv.errorsText(isCloudConfig.errors)}`)
    t.notOk(isCloudConfig({ ...document, write_files: [{ content: 'no path' }] }), 'and it refuses what is none')
    for (const file of document.write_files.filter((one: { path: string }) => one.path.endsWith('.json')))
      t.doesNotThrow(() => JSON.parse(file.content), file.path)
  }
})

const withoutShellcheck =
  spawnSync('shellcheck', ['--version']).status !== 0 && 'shellcheck is not installed (apt-get install shellcheck)'
t.test('every script that runs on a machine passes shellcheck', { skip: withoutShellcheck }, async (t) => {
  const scripts = ['appliance', 'test/appliance'].flatMap(filesBelow).filter((file) => file.endsWith('.sh'))
  t.ok(scripts.length >= 5)
  for (const file of scripts) t.doesNotThrow(() => execFileSync('shellcheck', [file], { stdio: 'pipe' }), file)
})

t.test('no well-known password is anywhere in what runs on a machine', async (t) => {
  const weak =
    /(password|passwd|pwd|secret|token)\s*[:=]\s*["']?(postgres|admin|password|changeme|secret|test|root|evothesis|12345\w*)["']?\s*$/im
  for (const file of [...filesBelow('appliance'), ...filesBelow('provisioning')])
    t.notMatch(readFileSync(file, 'utf8'), weak, path.relative(root, file))
  t.match('POSTGRES_PASSWORD: postgres', weak, 'the pattern finds one')
})

t.test('images are pinned to a version, run without root, and hold no secret', async (t) => {
  const text = readFileSync(path.join(root, 'appliance/Dockerfile'), 'utf8')
  for (const [, image = ''] of text.matchAll(/^FROM (\S+)/gm)) t.match(image, /:\d[\w.-]*$/, image)
  const app = text.split(/^FROM /m).find((stage) => /AS app$/m.test(stage)) ?? ''
  t.match(app, /^USER 10001:10001$/m)
  t.match(app, /^HEALTHCHECK /m)
  t.notMatch(text, /^(ENV|ARG) .*(PASSWORD|SECRET|TOKEN|KEY)/m)
  t.notMatch(app, /COPY \. /, 'only what runs is copied')
  const ignored = readFileSync(path.join(root, '.dockerignore'), 'utf8').split('\n')
  for (const name of ['.git', '.env', 'data', 'node_modules', 'clients']) t.ok(ignored.includes(name), name)
})
