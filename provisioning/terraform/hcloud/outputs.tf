output "ipv4_address" {
  description = "For the A record of dns.txt, and for --host root@…"
  value       = hcloud_server.evothesis.ipv4_address
}

output "ipv6_address" {
  description = "For the AAAA record."
  value       = hcloud_server.evothesis.ipv6_address
}
