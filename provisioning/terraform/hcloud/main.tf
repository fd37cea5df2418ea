# One client's machine at Hetzner: server, firewall, addresses. It is given the rendered cloud-init.yaml, which holds no
# secret; everything else is brought by `evothesis provision apply`. State therefore holds no secret either.

terraform {
  required_version = ">= 1.5"
  required_providers {
    hcloud = {
      source  = "hetznercloud/hcloud"
      version = "~> 1.48"
    }
  }
}

resource "hcloud_firewall" "evothesis" {
  name = "evothesis-${var.client}-${var.node}"

  dynamic "rule" {
    for_each = { ssh = ["22", var.ssh_addresses], http = ["80", local.everybody], https = ["443", local.everybody] }
    content {
      description = rule.key
      direction   = "in"
      protocol    = "tcp"
      port        = rule.value[0]
      source_ips  = rule.value[1]
    }
  }
}

resource "hcloud_server" "evothesis" {
  name         = "evothesis-${var.client}-${var.node}"
  server_type  = var.server_type
  image        = var.image
  location     = var.location
  user_data    = file(var.cloud_init_file)
  ssh_keys     = var.ssh_keys
  firewall_ids = [hcloud_firewall.evothesis.id]
  backups      = var.provider_backups
  labels       = { app = "evothesis", client = var.client, node = var.node }

  # The machine holds events that are not delivered yet: it is never replaced because a file was rendered again.
  delete_protection  = true
  rebuild_protection = true
  lifecycle {
    ignore_changes = [user_data, image, ssh_keys]
  }
}

locals {
  everybody = ["0.0.0.0/0", "::/0"]
}
