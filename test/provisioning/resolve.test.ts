import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { Writable } from 'node:stream'
import t from 'tap'
import { provisionCommand } from '../../src/provisioning/command.ts'
import { tempFolder } from '../support/exporter.ts'
import { clientTexts } from './clients.ts'

const quiet = { stdout: new Writable({ write: (_chunk, _encoding, done) => done() }) }

t.test('images are pinned to their digests, and stay so until asked again', async (t) => {
  const folder = await tempFolder(t)
  const docker = path.join(folder, 'bin/docker')
  mkdirSync(path.dirname(docker))
  // As docker answers, with a digest made of the image's name.
  writeFileSync(docker, '#!/bin/sh\necho "sha256:$(printf %s "$4" | sha256sum | cut -c1-64)"\n')
  chmodSync(docker, 0o755)
  const { PATH } = process.env
  t.teardown(() => {
    process.env.PATH = PATH
  })
  process.env.PATH = `${path.dirname(docker)}:${PATH}`
  writeFileSync(path.join(folder, 'client.yaml'), clientTexts.hipaa)
  t.equal(await provisionCommand(['render', folder, '--resolve'], quiet), 0)
  const compose = () => readFileSync(path.join(folder, 'appliance/compose.yaml'), 'utf8')
  t.match(compose(), /image: registry\.agency\.example\/evothesis\/evothesis:0\.1\.0@sha256:[0-9a-f]{64}/)
  t.match(compose(), /image: timescale\/timescaledb:2\.22\.1-pg17@sha256:[0-9a-f]{64}/)
  t.equal(await provisionCommand(['validate', folder], quiet), 0)
  const before = compose()
  writeFileSync(docker, '#!/bin/sh\nexit 1\n')
  await provisionCommand(['render', folder], quiet)
  t.equal(compose(), before, 'without a registry in reach they stay')
  await t.rejects(provisionCommand(['render', folder, '--resolve'], quiet), { code: 'machine_failed' })
  writeFileSync(path.join(folder, 'images.lock.yaml'), 'a: latest\n')
  await t.rejects(provisionCommand(['render', folder], quiet), { code: 'setting_invalid' })
})
