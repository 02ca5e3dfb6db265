# The three functions, side by side: the settings of each, and all that each may do.

locals {
  tracing = var.tracing ? "Active" : "PassThrough"

  # Where a package has the tables: below the folder in which Lambda starts it.
  packaged_model = "model"

  # One batch of each shard at a time. Lambda wants 100 executions to stay unreserved
  # (https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html), and the shards of an on-demand stream come and go.
  cleaner_concurrency = var.stream_mode == "provisioned" && var.account_concurrency >= var.stream_shards + 100 ? var.stream_shards : -1
}

module "ingest_api" {
  source = "./modules/function"

  name               = "${local.name}-ingest-api"
  architecture       = var.architecture
  description        = "Takes posts over HTTP and puts them on Kinesis"
  kms_key_arn        = local.key_arn
  log_level          = var.request_logs ? "INFO" : "WARN"
  log_retention_days = var.log_retention_days
  # The processor comes with the memory; what the function itself needs is a tenth of this.
  memory_mb = 256
  package   = "${var.package_directory}/ingest-api/bootstrap.zip"
  policy    = data.aws_iam_policy_document.ingest_api.json
  timeout_s = 29
  tracing   = local.tracing

  environment = {
    API_KEYS = var.api_auth == "api_key" ? local.api_keys_parameter : null
    # API Gateway checks requests and tokens on the other routes; the health's is open to all, and must not lead strangers to the stream.
    DEEP_HEALTH     = contains(["iam", "jwt"], var.api_auth) ? "off" : "on"
    MODEL_DIR       = local.packaged_model
    PACKING         = var.packing.form
    PACKING_KEYS    = tostring(var.packing.partition_keys)
    PATIENCE_MS     = tostring(var.patience_s * 1000)
    STREAM_NAME     = aws_kinesis_stream.events.name
    STREAM_PATTERNS = "*"
    TOPIC_PATTERNS  = "*"
  }
}

data "aws_iam_policy_document" "ingest_api" {
  statement {
    sid       = "PutRecords"
    actions   = ["kinesis:DescribeStreamSummary", "kinesis:PutRecords"]
    resources = [aws_kinesis_stream.events.arn]
  }

  # The keys of AWS are open to whoever may use their service.
  dynamic "statement" {
    for_each = local.key_arns

    content {
      sid       = "EncryptRecords"
      actions   = ["kms:GenerateDataKey"]
      resources = [statement.value]

      condition {
        test     = "StringEquals"
        variable = "kms:ViaService"
        values   = ["kinesis.${local.region}.amazonaws.com"]
      }
    }
  }

  dynamic "statement" {
    for_each = var.api_auth == "api_key" ? [local.api_keys_parameter_arn] : []

    content {
      sid       = "ReadKeys"
      actions   = ["ssm:GetParameter"]
      resources = [statement.value]
    }
  }

  dynamic "statement" {
    for_each = var.api_auth == "api_key" ? local.key_arns : []

    content {
      sid       = "DecryptKeys"
      actions   = ["kms:Decrypt"]
      resources = [statement.value]

      condition {
        test     = "StringEquals"
        variable = "kms:EncryptionContext:PARAMETER_ARN"
        values   = [local.api_keys_parameter_arn]
      }

      condition {
        test     = "StringEquals"
        variable = "kms:ViaService"
        values   = ["ssm.${local.region}.amazonaws.com"]
      }
    }
  }
}

module "stream_cleaner" {
  source = "./modules/function"

  name               = "${local.name}-stream-cleaner"
  architecture       = var.architecture
  description        = "Cleans batches of Kinesis records into Parquet on S3"
  kms_key_arn        = local.key_arn
  log_retention_days = var.log_retention_days
  memory_mb          = 512
  package            = "${var.package_directory}/stream-cleaner/bootstrap.zip"
  policy             = data.aws_iam_policy_document.stream_cleaner.json
  # So that requests that wait cannot keep it from reading.
  reserved_concurrency = local.cleaner_concurrency
  timeout_s            = 120
  tracing              = local.tracing

  environment = {
    BUCKET_NAME = aws_s3_bucket.lake.id
    # Memory that a batch of 6 MB took stays for the next one. Where it is given back, each batch gets it anew, page by page, which
    # takes a twentieth of its time.
    GLIBC_TUNABLES = "glibc.malloc.mmap_threshold=33554432:glibc.malloc.trim_threshold=134217728"
    METRICS        = local.is_lean ? "alarms" : "all"
    MODEL_DIR      = local.packaged_model
  }
}

data "aws_iam_policy_document" "stream_cleaner" {
  statement {
    sid = "ReadStream"
    actions = [
      "kinesis:DescribeStream",
      "kinesis:DescribeStreamSummary",
      "kinesis:GetRecords",
      "kinesis:GetShardIterator",
      "kinesis:ListShards",
      "kinesis:SubscribeToShard",
    ]
    resources = [aws_kinesis_stream.events.arn]
  }

  # Lambda finds streams by name with the role of the mapping's function; the action has no resource.
  statement {
    sid       = "ListStreams"
    actions   = ["kinesis:ListStreams"]
    resources = ["*"]
  }

  # An object of more records is not replaced: its number is in its metadata.
  statement {
    sid     = "LookBeforeReplacing"
    actions = ["s3:GetObject"]
    resources = [
      "${aws_s3_bucket.lake.arn}/clean/*",
      "${aws_s3_bucket.lake.arn}/quarantine/*",
    ]
  }

  statement {
    sid     = "WriteLake"
    actions = ["s3:PutObject"]
    resources = [
      "${aws_s3_bucket.lake.arn}/clean/*",
      "${aws_s3_bucket.lake.arn}/quarantine/*",
    ]
  }

  # Lambda writes what it gives up with the function's role, and asks of it that it may list the bucket.
  statement {
    sid       = "GiveUp"
    actions   = ["s3:PutObject"]
    resources = ["${aws_s3_bucket.failed_batches.arn}/aws/lambda/*"]
  }

  statement {
    sid       = "FindWhereToGiveUp"
    actions   = ["s3:ListBucket"]
    resources = [aws_s3_bucket.failed_batches.arn]
  }

  dynamic "statement" {
    for_each = local.key_arns

    content {
      sid       = "DecryptAndEncrypt"
      actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
      resources = [statement.value]

      condition {
        test     = "StringEquals"
        variable = "kms:ViaService"
        values   = ["kinesis.${local.region}.amazonaws.com", "s3.${local.region}.amazonaws.com"]
      }
    }
  }
}

module "daily_batch" {
  source = "./modules/function"

  name                 = "${local.name}-daily-batch"
  architecture         = var.architecture
  description          = "Merges clean rows into Delta tables and writes the day's reports"
  ephemeral_storage_mb = 4096
  kms_key_arn          = local.key_arn
  log_retention_days   = var.log_retention_days
  memory_mb            = var.daily_memory_mb
  package              = "${var.package_directory}/daily-batch/bootstrap.zip"
  policy               = data.aws_iam_policy_document.daily_batch.json
  timeout_s            = 900
  tracing              = local.tracing

  environment = {
    BUCKET_NAME   = aws_s3_bucket.lake.id
    CATCH_UP_DAYS = "7"
    CLEAN_DAYS    = tostring(local.clean_days)
    MODEL_DIR     = local.packaged_model
    # Lambda tries a run that died again after one minute, and then after two: by then nobody else holds its day.
    RUN_EXPIRY_SECONDS = "60"
    # A day more than the stream keeps its records, so that the last of them have been delivered.
    SEAL_AFTER_HOURS       = tostring(var.stream_retention_hours + 24)
    SLICE_ROWS             = "6000000"
    STREAM_NAME            = aws_kinesis_stream.events.name
    VACUUM_RETENTION_HOURS = "168"
  }
}

data "aws_iam_policy_document" "daily_batch" {
  statement {
    sid       = "ListLake"
    actions   = ["s3:ListBucket"]
    resources = [aws_s3_bucket.lake.arn]
  }

  statement {
    sid     = "ReadLake"
    actions = ["s3:GetObject"]
    resources = [for prefix in ["clean", "curated", "quarantine", "reports", "runs"] :
      "${aws_s3_bucket.lake.arn}/${prefix}/*"
    ]
  }

  statement {
    sid     = "WriteLake"
    actions = ["s3:AbortMultipartUpload", "s3:PutObject"]
    resources = [for prefix in ["archive", "curated", "reports", "runs"] :
      "${aws_s3_bucket.lake.arn}/${prefix}/*"
    ]
  }

  # What vacuum deletes of the tables, and of clean rows once the archive has them, stays for 30 days as an old version.
  statement {
    sid     = "VacuumTables"
    actions = ["s3:DeleteObject"]
    resources = [for prefix in ["clean", "curated"] :
      "${aws_s3_bucket.lake.arn}/${prefix}/*"
    ]
  }

  statement {
    sid = "CountStream"
    actions = [
      "kinesis:DescribeStreamSummary",
      "kinesis:GetRecords",
      "kinesis:GetShardIterator",
      "kinesis:ListShards",
    ]
    resources = [aws_kinesis_stream.events.arn]
  }

  # CloudWatch knows no resources for it (https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoncloudwatch.html).
  statement {
    sid       = "CountRecords"
    actions   = ["cloudwatch:GetMetricStatistics"]
    resources = ["*"]
  }

  dynamic "statement" {
    for_each = local.key_arns

    content {
      sid       = "DecryptAndEncrypt"
      actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
      resources = [statement.value]

      condition {
        test     = "StringEquals"
        variable = "kms:ViaService"
        values   = ["kinesis.${local.region}.amazonaws.com", "s3.${local.region}.amazonaws.com"]
      }
    }
  }

  # Lambda sends the runs that it gives up with the function's role.
  statement {
    sid       = "GiveUp"
    actions   = ["sqs:SendMessage"]
    resources = [aws_sqs_queue.dead_letters.arn]
  }

  # A run that does not end within the function's time starts the function again. The ARN is spelled out, as the function's own depends on
  # this policy.
  statement {
    sid       = "StartAgain"
    actions   = ["lambda:InvokeFunction"]
    resources = ["arn:${local.partition}:lambda:${local.region}:${local.account_id}:function:${local.name}-daily-batch"]
  }
}
