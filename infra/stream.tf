# The stream, and how stream-cleaner gets its records. A batch is tried for as long as its records are on the stream: what fails is the
# bucket, the key or the code, and while a record waits on the stream it is not lost. What is longer than that out of order is reported by
# the alarms on the iterator's age; `pinflow refetch` cleans again what the stream still has.

resource "aws_kinesis_stream" "events" {
  name             = "${local.name}-events"
  encryption_type  = "KMS"
  kms_key_id       = local.has_own_key ? local.key_arn : "alias/aws/kinesis"
  retention_period = var.stream_retention_hours
  shard_count      = var.stream_mode == "provisioned" ? var.stream_shards : null

  stream_mode_details {
    stream_mode = var.stream_mode == "provisioned" ? "PROVISIONED" : "ON_DEMAND"
  }
}

resource "aws_lambda_event_source_mapping" "stream_cleaner" {
  function_name    = module.stream_cleaner.name
  event_source_arn = aws_kinesis_stream.events.arn

  # An event has at most 6 MB, whatever its number of records; the wait makes one object of a quiet minute's rows.
  batch_size                         = 10000
  bisect_batch_on_function_error     = true
  function_response_types            = ["ReportBatchItemFailures"]
  maximum_batching_window_in_seconds = var.stream_batching_window_s
  # -1: until the record leaves the stream (https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-parameters.html).
  maximum_record_age_in_seconds = -1
  maximum_retry_attempts        = -1
  # With more than one batch of a shard at a time, or with a filter, equal bounds would no longer mean equal records.
  parallelization_factor = 1
  starting_position      = "TRIM_HORIZON"

  destination_config {
    on_failure {
      destination_arn = aws_s3_bucket.failed_batches.arn
    }
  }

  metrics_config {
    metrics = ["EventCount"]
  }

  # Lambda tries the role's rights when it makes the mapping.
  depends_on = [module.stream_cleaner]
}
