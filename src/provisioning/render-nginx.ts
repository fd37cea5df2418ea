import type { Client } from './client-schema.ts'
import { addressOf } from './network.ts'

/** Bytes of a body: as the collector's own limit, and a little. */
const bodyMax = '9m'

/** Addresses of the collector; all others are the worker's, which has the admin API and the console. */
export const collectPaths = '^/(collect$|api/v1/events$|v1/|beacon/|batch$|b$|projects/|sourceConfig|schema/)'

/**
 * nginx in front of the collector and the worker. Works with 1.22 and newer. Visitors' addresses are in no log: what is kept
 * of an address is the collector's to decide.
 */
export const renderNginx = (client: Client): string => `# Rendered from client.yaml: change it there.
worker_processes auto;
worker_rlimit_nofile 8192;
worker_shutdown_timeout 30s;
pid /run/nginx.pid;
# Not lower: an error of a request is logged with the address it came from.
error_log stderr crit;

events {
  worker_connections 4096;
}

http {
  include /etc/nginx/mime.types;
  default_type application/octet-stream;
  server_tokens off;
  access_log off;
  log_not_found off;
  sendfile on;
  tcp_nopush on;
  keepalive_timeout 65s;
  client_header_timeout 15s;
  client_body_timeout 30s;
  send_timeout 30s;
  reset_timedout_connection on;
  large_client_header_buffers 4 16k;
  client_body_temp_path /tmp/body;
  proxy_temp_path /tmp/proxy;
  fastcgi_temp_path /tmp/fastcgi;
  uwsgi_temp_path /tmp/uwsgi;
  scgi_temp_path /tmp/scgi;

${realAddress(client)}  # Written at level info, which is not logged: the line holds a visitor's address.
  limit_req_log_level info;
  limit_req_status 429;
  limit_req_zone $binary_remote_addr zone=collect:16m rate=${client.limits.collect_per_second}r/s;
  limit_req_zone $binary_remote_addr zone=admin:4m rate=${client.limits.admin_per_second}r/s;

  # The addresses are fixed in compose.yaml. Node.js closes an idle connection after 65 s, and nginx before it does.
  upstream collect {
    server ${addressOf(client, 'collect')}:8000 max_fails=0;
    keepalive 64;
    keepalive_timeout 55s;
  }
  upstream worker {
    server ${addressOf(client, 'worker')}:8000 max_fails=0;
    keepalive 8;
    keepalive_timeout 55s;
  }
  proxy_http_version 1.1;
  proxy_set_header Connection "";
  proxy_set_header Host $host;
  proxy_set_header X-Forwarded-For $remote_addr;
  proxy_set_header X-Forwarded-Proto ${forwardedProto(client)};
  proxy_set_header X-Real-IP "";
  proxy_connect_timeout 5s;
  proxy_next_upstream off;

  # The pixel lies beside its compressed copies, made once when the image is built.
  map $http_accept_encoding $pixel_encoding {
    default "";
    "~*(^|[ ,])br(?!;q=0(\\.0*)?( |,|$))" br;
    "~*(^|[ ,])gzip(?!;q=0(\\.0*)?( |,|$))" gzip;
  }
  map $http_accept_encoding $pixel_suffix {
    default "";
    "~*(^|[ ,])br(?!;q=0(\\.0*)?( |,|$))" .br;
    "~*(^|[ ,])gzip(?!;q=0(\\.0*)?( |,|$))" .gz;
  }
  map $uri $pixel_cache {
    default "public, max-age=3600, stale-while-revalidate=86400";
    "~^/js/v\\d" "public, max-age=31536000, immutable";
  }

${client.tls.mode === 'none' ? plainServer(client) : tlsServers(client)}}
`

const realAddress = (client: Client): string =>
  client.proxies.length === 0
    ? ''
    : `  # The balancer in front tells the visitor's address.
${client.proxies.map((range) => `  set_real_ip_from ${range};\n`).join('')}  real_ip_header X-Forwarded-For;
  real_ip_recursive on;

`

/** For the container's own healthcheck. */
const ownHealth = `    location = /nginx-health {
      allow 127.0.0.1;
      deny all;
      return 204;
    }
`

/** Behind a balancer, which may ask for its health by address. */
const plainServer = (client: Client): string => `
  server {
    listen 80 default_server;
    server_name ${client.domain};
${ownHealth}${locations(client)}  }
`

const tlsServers = (client: Client): string => `
  # For all servers: the one that refuses unknown names is asked first, and decides.
  ssl_protocols TLSv1.2 TLSv1.3;
  ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305;
  ssl_prefer_server_ciphers off;
  ssl_session_cache shared:tls:8m;
  ssl_session_timeout 1d;
  ssl_session_tickets off;

  # Asked by its own name only: whoever scans addresses finds nothing.
  server {
    listen 80 default_server;
    server_name _;
${ownHealth}    location / {
      return 444;
    }
  }

  server {
    listen 80;
    server_name ${client.domain};
    location /.well-known/acme-challenge/ {
      root /var/www/challenges;
      default_type text/plain;
    }
    location / {
      return 308 https://$host$request_uri;
    }
  }

  server {
    listen 443 ssl http2 default_server;
    server_name _;
    ssl_certificate /etc/nginx/certificates/fullchain.pem;
    ssl_certificate_key /etc/nginx/certificates/privkey.pem;
    ssl_reject_handshake on;
  }

  server {
    listen 443 ssl http2;
    server_name ${client.domain};
    ssl_certificate /etc/nginx/certificates/fullchain.pem;
    ssl_certificate_key /etc/nginx/certificates/privkey.pem;
    add_header Strict-Transport-Security "max-age=31536000" always;
${locations(client)}  }
`

const locations = (client: Client): string => `    client_max_body_size ${bodyMax};
    add_header X-Content-Type-Options nosniff always;
    add_header Referrer-Policy strict-origin-when-cross-origin always;
    add_header X-Frame-Options DENY always;
    add_header Permissions-Policy "camera=(), microphone=(), geolocation=()" always;

    # Events.
    location ~ ${collectPaths} {
      limit_req zone=collect burst=${client.limits.collect_per_second * 2} nodelay;
      proxy_read_timeout 40s;
      proxy_pass http://collect;
    }
    location = /health {
      limit_req zone=collect burst=${client.limits.collect_per_second} nodelay;
      proxy_pass http://collect;
    }
    location ~ ^/(metrics$|events/) {
${adminOnly(client)}      proxy_pass http://collect;
    }
    # The live stream: the worker looks at the buffer for whoever watches.
    location = /events/stream {
${adminOnly(client)}      proxy_buffering off;
      proxy_read_timeout 3600s;
      proxy_pass http://worker;
    }
    location = /ws/events {
${adminOnly(client)}      proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Forwarded-Proto ${forwardedProto(client)};
      proxy_set_header X-Real-IP "";
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection upgrade;
      proxy_read_timeout 3600s;
      proxy_pass http://worker;
    }

    # The pixel. Any site may load it and check its hash.
    location ~ ^/js/[A-Za-z0-9._/-]+\\.js$ {
      root /srv/static;
      types { }
      default_type "text/javascript; charset=utf-8";
      try_files $uri$pixel_suffix =404;
${pixelHeaders(client)}    }
    location ~ ^/js/[A-Za-z0-9._/-]+\\.json$ {
      root /srv/static;
      types { }
      default_type application/json;
      try_files $uri$pixel_suffix =404;
${pixelHeaders(client)}    }

    # Everything else: the admin API and the console. A run that is waited for may take long.
    location / {
${adminOnly(client)}      proxy_read_timeout 3600s;
      proxy_pass http://worker;
    }
`

const forwardedProto = (client: Client): string => (client.tls.mode === 'none' ? '$http_x_forwarded_proto' : '$scheme')

const adminOnly = (client: Client): string =>
  [
    `limit_req zone=admin burst=${client.limits.admin_per_second * 5} nodelay;`,
    ...client.admin_addresses.map((range) => `allow ${range};`),
    ...(client.admin_addresses.length > 0 ? ['deny all;'] : []),
  ]
    .map((line) => `      ${line}\n`)
    .join('')

/** Headers of a location take the place of the server's, so they are all named again. */
const pixelHeaders = (client: Client): string =>
  [
    ...(client.tls.mode === 'none' ? [] : ['Strict-Transport-Security "max-age=31536000" always']),
    'X-Content-Type-Options nosniff always',
    'Access-Control-Allow-Origin * always',
    'Cross-Origin-Resource-Policy cross-origin always',
    'Timing-Allow-Origin * always',
    'Cache-Control $pixel_cache',
    'Content-Encoding $pixel_encoding',
    'Vary Accept-Encoding',
  ]
    .map((line) => `      add_header ${line};\n`)
    .join('')
