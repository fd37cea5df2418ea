variable "client" {
  description = "The name of client.yaml."
  type        = string
}

variable "node" {
  description = "The node of client.yaml."
  type        = string
  default     = "n1"
}

variable "cloud_init_file" {
  description = "Path of the rendered cloud-init.yaml."
  type        = string
}

variable "server_type" {
  description = "CPX21: 3 shared vCPUs, 4 GB of memory, 80 GB of disk."
  type        = string
  default     = "cpx21"
}

variable "image" {
  description = "ubuntu-24.04, ubuntu-22.04 or debian-12, as vm.os says."
  type        = string
  default     = "ubuntu-24.04"
}

variable "location" {
  description = "Where the machine stands; for data of people in the EU: fsn1, nbg1 or hel1."
  type        = string
  default     = "fsn1"
}

variable "ssh_keys" {
  description = "Names or ids of SSH keys in the project. Without one, Hetzner mails a root password."
  type        = list(string)

  validation {
    condition     = length(var.ssh_keys) > 0
    error_message = "Name at least one SSH key."
  }
}

variable "ssh_addresses" {
  description = "Ranges that may reach port 22."
  type        = list(string)
  default     = ["0.0.0.0/0", "::/0"]
}

variable "provider_backups" {
  description = "Hetzner's own snapshots, for a fifth of the price more. Evothesis's backups do not need them."
  type        = bool
  default     = false
}
