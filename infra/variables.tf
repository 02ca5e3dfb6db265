# What differs between deployments, and nothing else.

variable "account_concurrency" {
  type        = number
  description = "Executions that the account's functions may run at once in this Region, as Service Quotas has it: 1,000, and 10 in many a new account."
  default     = 1000

  validation {
    condition     = var.account_concurrency >= 10 && floor(var.account_concurrency) == var.account_concurrency
    error_message = "Write account_concurrency as a whole number from 10 on."
  }

  validation {
    condition     = var.account_concurrency >= var.api_throttle.rate * var.patience_s + (var.stream_mode == "provisioned" ? var.stream_shards : 10) + 1
    error_message = "When the stream throttles, each request waits for up to patience_s, so that api_throttle.rate x patience_s executions of ingest-api are needed, one of stream-cleaner for each shard, and one of daily-batch: more than account_concurrency. Lower api_throttle.rate or patience_s, or have the quota raised and set account_concurrency."
  }
}

variable "alarm_email" {
  type        = string
  description = "Address that alarms are sent to. AWS asks it once for its consent. Without one, alarms only change their state."
  default     = null

  validation {
    condition     = var.alarm_email == null || can(regex("^[^@\\s]+@[^@\\s]+\\.[^@\\s]+$", var.alarm_email))
    error_message = "Write alarm_email as one address, such as \"data@example.com\", or leave it out."
  }
}

variable "allow_public_api" {
  type        = bool
  description = "Must be true for api_auth = \"none\", so that nobody opens the API to the world by a slip."
  default     = false
}

variable "api_auth" {
  type        = string
  description = "Who may post: \"iam\" (signed requests), \"api_key\" (keys in SSM Parameter Store), \"jwt\" (tokens of var.jwt), or \"none\"."
  default     = "iam"

  validation {
    condition     = contains(["iam", "api_key", "jwt", "none"], var.api_auth)
    error_message = "Write api_auth as \"iam\", \"api_key\", \"jwt\" or \"none\"."
  }

  validation {
    condition     = var.api_auth != "none" || var.allow_public_api
    error_message = "With api_auth = \"none\" anybody may post. If that is meant, set allow_public_api = true; else choose \"iam\", \"api_key\" or \"jwt\"."
  }

  validation {
    condition     = var.api_auth != "jwt" || var.jwt != null
    error_message = "With api_auth = \"jwt\", set jwt = { issuer = \"https://...\", audiences = [\"...\"] }."
  }
}

variable "api_throttle" {
  type = object({
    burst = optional(number, 200)
    rate  = optional(number, 100)
  })
  description = "Requests that the API takes: `rate` a second, and `burst` at once. What is above gets 429."
  default     = {}

  validation {
    condition     = var.api_throttle.rate >= 1 && var.api_throttle.rate <= 10000 && var.api_throttle.burst >= 1 && var.api_throttle.burst <= 5000
    error_message = "Write api_throttle with a rate of 1 to 10000 requests a second and a burst of 1 to 5000; more needs a quota from AWS."
  }
}

variable "architecture" {
  type        = string
  description = "Processor of the functions, \"arm64\" or \"x86_64\"; the packages must be built for it (`make package ARCH=...`)."
  default     = "arm64"

  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "Write architecture as \"arm64\" or \"x86_64\"."
  }

  validation {
    condition     = try(trimspace(file("${var.package_directory}/architecture")), var.architecture) == var.architecture
    error_message = "The packages are for another processor. Build them with `make package ARCH=${var.architecture}`, or set architecture to what they are for."
  }
}

variable "athena_scan_limit_gb" {
  type        = number
  description = "Most that one Athena query may read, in GB (10^9 bytes); a query that reads more is stopped."
  default     = 10

  validation {
    condition     = var.athena_scan_limit_gb * 1000000000 >= 10485760 && var.athena_scan_limit_gb <= 10000
    error_message = "Write athena_scan_limit_gb as a number from 0.0105 (Athena's least is 10,485,760 bytes) to 10000."
  }
}

variable "daily_memory_mb" {
  type        = number
  description = "Memory of daily-batch. 3008 MB is the most that a new account may use; what a table needs is in the function's README."
  default     = 3008

  validation {
    condition     = var.daily_memory_mb >= 512 && var.daily_memory_mb <= 10240 && floor(var.daily_memory_mb) == var.daily_memory_mb
    error_message = "Write daily_memory_mb as a whole number from 512 to 10240."
  }
}

variable "domain" {
  type = object({
    certificate_arn = string
    name            = string
  })
  description = "Domain name of the API, and its certificate in ACM. The DNS record is yours to make; the output `domain_target` is where it points."
  default     = null

  validation {
    condition     = var.domain == null || can(regex("^arn:[a-z-]+:acm:us-east-1:[0-9]{12}:certificate/", var.domain.certificate_arn))
    error_message = "Write domain.certificate_arn as the ARN of a certificate in us-east-1: \"arn:aws:acm:us-east-1:<account>:certificate/<id>\"."
  }

  validation {
    condition     = var.domain == null || can(regex("^([a-z0-9]([a-z0-9-]*[a-z0-9])?\\.)+[a-z]{2,}$", var.domain.name))
    error_message = "Write domain.name in lower case without a scheme, such as \"posts.example.com\"."
  }
}

variable "encryption" {
  type        = string
  description = "\"own-key\" (a KMS key of the stack encrypts the stream, the lake and the logs; who may not use it reads nothing), or \"aws-keys\" (those that AWS keeps for each service, which cost nothing). It is chosen when the stack is made: a change makes the lake anew, and stops at one that has objects in it, unless force_destroy is set."
  default     = "own-key"

  validation {
    condition     = contains(["own-key", "aws-keys"], var.encryption)
    error_message = "Write encryption as \"own-key\" or \"aws-keys\"."
  }
}

variable "force_destroy" {
  type        = bool
  description = "Whether `terraform destroy` may delete a bucket that has objects in it."
  default     = false
}

variable "jwt" {
  type = object({
    audiences = list(string)
    issuer    = string
    scopes    = optional(list(string), [])
  })
  description = "Issuer of the tokens, the audiences they must name one of, and the scopes of which they must have one (none: any token of the audience will do), for api_auth = \"jwt\"."
  default     = null

  validation {
    condition     = var.jwt == null || can(regex("^https://[^\\s/]+", var.jwt.issuer))
    error_message = "Write jwt.issuer as the URL whose /.well-known/openid-configuration names the keys, such as \"https://login.example.com\"."
  }

  validation {
    condition     = var.jwt == null || try(length(var.jwt.audiences) > 0, false)
    error_message = "Write jwt.audiences as a list of at least one audience: a token for another service must not open this one."
  }
}

variable "log_retention_days" {
  type        = number
  description = "Days that CloudWatch keeps the logs."
  default     = 30

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "Write log_retention_days as a number that CloudWatch Logs knows, such as 7, 14, 30, 90 or 365."
  }
}

variable "model_directory" {
  description = "Folder of the tables, views and reports; the functions' packages carry the same"
  type        = string
  default     = "../model"

  validation {
    condition     = length(fileset(var.model_directory, "tables/*.yaml")) > 0
    error_message = "There is no table in this folder: name one with tables/<table>.yaml."
  }
}

variable "monthly_budget_usd" {
  type        = number
  description = "Bill of a month, in USD, of which 80 % and the forecast of 100 % are sent to alarm_email. Without one, there is no budget."
  default     = null

  validation {
    condition     = var.monthly_budget_usd == null || try(var.monthly_budget_usd >= 1, false)
    error_message = "Write monthly_budget_usd as a number of at least 1, or leave it out."
  }

  validation {
    condition     = var.monthly_budget_usd == null || var.alarm_email != null
    error_message = "A budget needs somebody to send to: set alarm_email, too."
  }
}

variable "monitoring" {
  type        = string
  description = "\"full\", or \"lean\": only the alarms that say that a record is refused, unread, rejected, lost or counted twice; no dashboard, and only those metrics that these alarms look at. The log lines have all numbers in either case."
  default     = "full"

  validation {
    condition     = contains(["full", "lean"], var.monitoring)
    error_message = "Write monitoring as \"full\" or \"lean\"."
  }
}

variable "name_prefix" {
  type        = string
  description = "Start of every name, so that an account holds more than one stack."
  default     = "pinflow"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,30}[a-z0-9]$", var.name_prefix))
    error_message = "Write name_prefix with 3 to 32 lower-case letters, digits and hyphens, beginning with a letter and not ending with a hyphen."
  }
}

variable "package_directory" {
  type        = string
  description = "Folder of the packages that `make package` builds: <function>/bootstrap.zip."
  default     = "../target/lambda"
}

variable "packing" {
  type = object({
    form           = string
    partition_keys = optional(number, 16)
  })
  description = "How ingest-api packs the rows of a request to /events that share a partition key into one record: form \"lines\" (a row a line), \"gzip\" (the same, compressed), or \"off\". Fewer keys pack better, more spread better: take 16 for each shard. A row's versions change their shard when this is changed."
  default     = { form = "off" }

  validation {
    condition     = contains(["off", "lines", "gzip"], var.packing.form)
    error_message = "Write packing.form as \"off\", \"lines\" or \"gzip\"."
  }

  validation {
    condition     = var.packing.partition_keys >= 1 && var.packing.partition_keys <= 10000 && floor(var.packing.partition_keys) == var.packing.partition_keys
    error_message = "Write packing.partition_keys as a whole number from 1 to 10000."
  }
}

variable "patience_s" {
  type        = number
  description = "Seconds for which a request tries a stream that takes no more, before it is answered with 429. A waiting request holds an execution that stream-cleaner may need."
  default     = 3

  validation {
    condition     = var.patience_s >= 0 && var.patience_s <= 25
    error_message = "Write patience_s as 0 to 25: API Gateway gives up after 30."
  }
}

variable "quarantine_alarm_percent" {
  type        = number
  description = "Share of rejected records, in percent of an hour's records, above which an alarm is raised."
  default     = 5

  validation {
    condition     = var.quarantine_alarm_percent > 0 && var.quarantine_alarm_percent < 100
    error_message = "Write quarantine_alarm_percent as a number between 0 and 100."
  }
}

variable "request_logs" {
  type        = bool
  description = "Whether each request has its lines in the logs of the API and of ingest-api. Without them, ingest-api logs only what goes wrong."
  default     = true
}

variable "schedule_expression" {
  type        = string
  description = "When the daily batch starts, in var.schedule_time_zone. The batch is about the last day that is over in UTC."
  default     = "cron(0 6 * * ? *)"

  validation {
    condition     = can(regex("^cron\\([0-9]{1,2} [0-9]{1,2} \\* \\* \\? \\*\\)$", var.schedule_expression))
    error_message = "Write schedule_expression as once a day, \"cron(<minute> <hour> * * ? *)\", such as \"cron(0 6 * * ? *)\"."
  }
}

variable "schedule_time_zone" {
  type        = string
  description = "Time zone of var.schedule_expression, by its IANA name."
  default     = "UTC"

  validation {
    condition     = can(regex("^(UTC|[A-Z][A-Za-z_]+/[A-Za-z0-9_+/-]+)$", var.schedule_time_zone))
    error_message = "Write schedule_time_zone as an IANA name, such as \"UTC\" or \"Europe/London\"."
  }
}

variable "stage" {
  type        = string
  description = "Stage of the API, the first part of every path; \"$default\" for none."
  default     = "Dev"

  validation {
    condition     = can(regex("^([A-Za-z0-9_-]{1,128}|\\$default)$", var.stage))
    error_message = "Write stage with letters, digits, hyphens and underscores, such as \"Dev\", or as \"$default\"."
  }
}

variable "stream_batching_window_s" {
  type        = number
  description = "Longest that records wait until stream-cleaner gets them, in seconds. Where they do not fill an event of 6 MB earlier, a longer wait makes fewer and larger objects."
  default     = 60

  validation {
    condition     = var.stream_batching_window_s >= 0 && var.stream_batching_window_s <= 300 && floor(var.stream_batching_window_s) == var.stream_batching_window_s
    error_message = "Write stream_batching_window_s as a whole number from 0 to 300."
  }
}

variable "stream_mode" {
  type        = string
  description = "\"provisioned\" (an hour of each shard is paid), or \"on-demand\" (scales by itself, and costs more when idle)."
  default     = "provisioned"

  validation {
    condition     = contains(["provisioned", "on-demand"], var.stream_mode)
    error_message = "Write stream_mode as \"provisioned\" or \"on-demand\"."
  }
}

variable "stream_retention_hours" {
  type        = number
  description = "Hours that the stream keeps a record, and so the longest outage of the lake that loses nothing. Above 24, each shard hour costs more than double."
  default     = 24

  validation {
    condition     = var.stream_retention_hours >= 24 && var.stream_retention_hours <= 8760 && floor(var.stream_retention_hours) == var.stream_retention_hours
    error_message = "Write stream_retention_hours as a whole number from 24 to 8760."
  }
}

variable "stream_shards" {
  type        = number
  description = "Shards of a provisioned stream: each takes 1 MB and 1,000 records a second."
  default     = 1

  validation {
    condition     = var.stream_shards >= 1 && var.stream_shards <= 200 && floor(var.stream_shards) == var.stream_shards
    error_message = "Write stream_shards as a whole number from 1 to 200; more needs a quota from AWS."
  }
}

variable "tracing" {
  type        = bool
  description = "Whether X-Ray records traces: the first request of each second, and 5 % of the others, for 5 USD a million."
  default     = false
}
