import { stringify } from 'yaml'
import { AppError } from '../errors.ts'
import type { Client } from './client-schema.ts'

/** Most that every provider takes as user data: EC2's limit. */
export const cloudInitBytesMax = 16_384

/** The key of Docker's package archive, by its full fingerprint. */
const dockerKey = '9DC858229FC7DD38854AE2D88D81803C0EBFCD88'

/**
 * What a new machine does at its first start: Docker from its own archive, updates by themselves, keys only for SSH, a
 * firewall that also holds for containers. It holds no secret, and nothing of this client but public SSH keys; everything
 * else is brought by `provision apply`. Throws `setting_invalid` above 16 KB.
 */
export const renderCloudInit = (client: Client, firewall: string): string => {
  const debian = client.vm.os.startsWith('debian')
  const file = (path: string, permissions: string, content: string) => ({ path, permissions, content })
  const document = {
    package_update: true,
    package_upgrade: true,
    ssh_pwauth: false,
    disable_root: false,
    users: ['default'],
    ...(client.vm.ssh_keys.length > 0 && { ssh_authorized_keys: client.vm.ssh_keys }),
    apt: {
      sources: {
        'docker.list': {
          source: `deb [signed-by=$KEY_FILE] https://download.docker.com/linux/${debian ? 'debian' : 'ubuntu'} $RELEASE stable`,
          keyid: dockerKey,
        },
      },
    },
    packages: [
      ...['docker-ce', 'docker-ce-cli', 'containerd.io', 'docker-compose-plugin'],
      ...['chrony', 'fail2ban', 'iproute2', 'iptables', 'openssl', 'rsync', 'ufw', 'unattended-upgrades'],
    ],
    write_files: [
      file(
        '/etc/ssh/sshd_config.d/10-evothesis.conf',
        '0644',
        [
          'PasswordAuthentication no',
          'KbdInteractiveAuthentication no',
          'PermitRootLogin prohibit-password',
          'X11Forwarding no',
          'MaxAuthTries 3',
          '',
        ].join('\n'),
      ),
      file(
        '/etc/fail2ban/jail.d/sshd.local',
        '0644',
        '[sshd]\nenabled = true\nbackend = systemd\nmaxretry = 5\nbantime = 1h\n',
      ),
      file(
        '/etc/docker/daemon.json',
        '0644',
        `${JSON.stringify(
          {
            'log-driver': 'local',
            'log-opts': { 'max-size': '10m', 'max-file': '5' },
            'live-restore': true,
            'no-new-privileges': true,
            'userland-proxy': false,
            icc: false,
          },
          null,
          2,
        )}\n`,
      ),
      file(
        '/etc/apt/apt.conf.d/52evothesis',
        '0644',
        [
          'APT::Periodic::Update-Package-Lists "1";',
          'APT::Periodic::Unattended-Upgrade "1";',
          'Unattended-Upgrade::Automatic-Reboot "true";',
          'Unattended-Upgrade::Automatic-Reboot-Time "03:30";',
          '',
        ].join('\n'),
      ),
      file('/usr/local/sbin/evothesis-firewall', '0755', firewall),
      file(
        '/etc/systemd/system/evothesis-firewall.service',
        '0644',
        [
          '[Unit]',
          'Description=Firewall rules for published container ports',
          'After=docker.service',
          'PartOf=docker.service',
          '',
          '[Service]',
          'Type=oneshot',
          'RemainAfterExit=yes',
          'ExecStart=/usr/local/sbin/evothesis-firewall',
          '',
          '[Install]',
          'WantedBy=docker.service',
          '',
        ].join('\n'),
      ),
    ],
    runcmd: [
      ['install', '-d', '-m', '0750', '/opt/evothesis'],
      ['ufw', 'default', 'deny', 'incoming'],
      ['ufw', 'default', 'allow', 'outgoing'],
      ...['22/tcp', '80/tcp', '443/tcp'].map((port) => ['ufw', 'allow', port]),
      ['ufw', '--force', 'enable'],
      ['systemctl', 'daemon-reload'],
      ['systemctl', 'enable', '--now', 'chrony', 'fail2ban', 'docker'],
      ['systemctl', 'restart', 'docker'],
      ['systemctl', 'enable', '--now', 'evothesis-firewall.service'],
      ['systemctl', 'reload-or-restart', 'ssh'],
    ],
  }
  // The first line is not a comment: without exactly it nothing of this is read.
  const text = `#cloud-config\n# Rendered from client.yaml: change it there. Holds no secrets.\n${stringify(document, { lineWidth: 0 })}`
  const bytes = Buffer.byteLength(text)
  if (bytes > cloudInitBytesMax)
    throw new AppError(
      'setting_invalid',
      `cloud-init.yaml would have ${bytes} bytes, more than ${cloudInitBytesMax}; name fewer vm.ssh_keys.`,
    )
  return text
}
