variable "architecture" {
  type        = string
  description = "Processor that the package was built for, \"arm64\" or \"x86_64\"."

  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "Write architecture as \"arm64\" or \"x86_64\"."
  }
}

variable "description" {
  type        = string
  description = "What the function does, in a sentence."
}

variable "environment" {
  type        = map(string)
  description = "Variables of the function, by name; those that are null are left out."
}

variable "ephemeral_storage_mb" {
  type        = number
  description = "Size of /tmp."
  default     = 512

  validation {
    condition     = var.ephemeral_storage_mb >= 512 && var.ephemeral_storage_mb <= 10240
    error_message = "Write ephemeral_storage_mb as a number from 512 to 10240."
  }
}

variable "kms_key_arn" {
  type        = string
  description = "Key that the logs are encrypted with; null for the one that CloudWatch has."
}

variable "log_level" {
  type        = string
  description = "Least severe lines that are kept of the function's own log and of Lambda's."
  default     = "INFO"

  validation {
    condition     = contains(["INFO", "WARN"], var.log_level)
    error_message = "Write log_level as \"INFO\" or \"WARN\"."
  }
}

variable "log_retention_days" {
  type        = number
  description = "Days that the logs are kept."
}

variable "memory_mb" {
  type        = number
  description = "Memory, with which the share of a processor grows: 1769 MB have one."

  validation {
    condition     = var.memory_mb >= 128 && var.memory_mb <= 10240
    error_message = "Write memory_mb as a number from 128 to 10240."
  }
}

variable "name" {
  type        = string
  description = "Name of the function, and of its role and log group."

  validation {
    condition     = length(var.name) <= 64
    error_message = "Write a name of at most 64 characters."
  }
}

variable "package" {
  type        = string
  description = "Path of the zip that holds the function's `bootstrap`."

  validation {
    condition     = fileexists(var.package)
    error_message = "The package ${var.package} is not there. Build it with `make package`, or set package_directory to where it is."
  }
}

variable "policy" {
  type        = string
  description = "All that the function may do besides writing its logs and traces, as a policy document in JSON."
}

variable "reserved_concurrency" {
  type        = number
  description = "Executions that no other function can take; -1 for none."
  default     = -1
}

variable "timeout_s" {
  type        = number
  description = "Seconds after which an invocation is stopped."

  validation {
    condition     = var.timeout_s >= 1 && var.timeout_s <= 900
    error_message = "Write timeout_s as a number from 1 to 900."
  }
}

variable "tracing" {
  type        = string
  description = "`Active`: X-Ray records invocations by sampling; `PassThrough`: only those whose caller traces."
  default     = "PassThrough"

  validation {
    condition     = contains(["Active", "PassThrough"], var.tracing)
    error_message = "Write tracing as \"Active\" or \"PassThrough\"."
  }
}
