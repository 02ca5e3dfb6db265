# What wakes somebody. Each alarm says what it means for the records, where to look, and what it does when its metric is silent; all go to
# one topic. Where nothing is sent because nothing happens, silence is no alarm; what would be silent although something happens has an alarm
# of its own: records that come in and are not read, a run that is missing, a check that was not made.

locals {
  silence = {
    breaching    = "Silence is an alarm."
    notBreaching = "Silence is none."
  }

  function_names = {
    ingest-api     = module.ingest_api.name
    stream-cleaner = module.stream_cleaner.name
    daily-batch    = module.daily_batch.name
  }

  function_alarms = {
    Errors    = "failed: its log has the error's type, and the function's README what helps."
    Throttles = "was not started: the account's concurrency is used up."
  }

  # What a stack of lean monitoring has beside the alarms that stand alone: a record that is refused, unread, lost, or counted twice.
  lean_alarms = [
    "api-errors",
    "batches-dropped",
    "batches-given-up",
    "deliveries-failed",
    "duplicate-keys",
    "objects-unreadable",
    "row-imbalance",
    "stream-unread",
    "unaccounted",
  ]

  # Shares of the API's requests.
  share_alarms = {
    api-errors = {
      description = "More than 1 % of the requests got a 5xx: what they hold is not stored, and well-made clients try again."
      metric      = "5xx"
      percent     = 1
      period_s    = 300
      requests    = 0
    }
    api-refusals = {
      description = "More than a quarter of the requests of half an hour got a 4xx: a client sends what cannot be stored, lost its key, or is no client. The access log says who."
      metric      = "4xx"
      percent     = 25
      period_s    = 1800
      requests    = 100
    }
  }

  # Metrics of one number: what AWS counts, and what the functions print.
  alarms = merge({ for pair in setproduct(keys(local.function_names), keys(local.function_alarms)) :
    "${pair[0]}-${lower(pair[1])}" => {
      description = "${pair[0]} ${local.function_alarms[pair[1]]}"
      namespace   = "AWS/Lambda"
      metric      = pair[1]
      dimensions  = { FunctionName = local.function_names[pair[0]] }
    }
    }, {
    api-latency = {
      description = "A hundredth of the posts waits for more than 5 s: look at ingest-api's duration, and at the stream's throttling."
      namespace   = "AWS/ApiGateway"
      metric      = "Latency"
      dimensions  = { ApiId = aws_apigatewayv2_api.main.id, Stage = aws_apigatewayv2_stage.main.name }
      statistic   = "p99"
      threshold   = 5000
      periods     = 3
    }
    batches-given-up = {
      description = "Lambda gave a batch up. Its records are in a bucket of their own: `pinflow quarantine replay --failed --failed-bucket ${aws_s3_bucket.failed_batches.id}`."
      namespace   = "AWS/Lambda"
      metric      = "OnFailureDestinationDeliveredEventCount"
      dimensions  = { EventSourceMappingUUID = aws_lambda_event_source_mapping.stream_cleaner.uuid }
    }
    batches-dropped = {
      description = "Lambda dropped records of a batch that it gave up, and kept them nowhere: read them from the stream while it has them."
      namespace   = "AWS/Lambda"
      metric      = "DroppedEventCount"
      dimensions  = { EventSourceMappingUUID = aws_lambda_event_source_mapping.stream_cleaner.uuid }
    }
    deliveries-failed = {
      description = "Lambda could not put a batch that it gave up into its bucket: look at ${aws_s3_bucket.failed_batches.id}, and at stream-cleaner's role."
      namespace   = "AWS/Lambda"
      metric      = "DestinationDeliveryFailures"
      dimensions  = { FunctionName = module.stream_cleaner.name }
    }
    concurrency = {
      description = "The account's functions use more than four fifths of its concurrency: at its end, posts are refused and records wait. Ask for a higher quota, and set account_concurrency."
      namespace   = "AWS/Lambda"
      metric      = "ConcurrentExecutions"
      dimensions  = {}
      statistic   = "Maximum"
      threshold   = floor(var.account_concurrency * 0.8)
    }
    daily-duration = {
      description = "A run of the daily batch took more than 14 of its 15 minutes: raise daily_memory_mb, which raises its speed."
      namespace   = "AWS/Lambda"
      metric      = "Duration"
      dimensions  = { FunctionName = module.daily_batch.name }
      statistic   = "Maximum"
      threshold   = 840000
    }
    dead-letters = {
      description = "A start of the daily batch was given up, or a run failed three times: look at the message, and at `pinflow daily runs`."
      namespace   = "AWS/SQS"
      metric      = "ApproximateNumberOfMessagesVisible"
      dimensions  = { QueueName = aws_sqs_queue.dead_letters.name }
      statistic   = "Maximum"
    }
    iterator-age = {
      description = "Records wait for more than 15 minutes to be cleaned: look at stream-cleaner's errors. They are lost when they leave the stream, after ${var.stream_retention_hours} h."
      namespace   = "AWS/Lambda"
      metric      = "IteratorAge"
      dimensions  = { FunctionName = module.stream_cleaner.name }
      statistic   = "Maximum"
      threshold   = 900000
    }
    stream-throttled = {
      description = "The stream takes less than is posted: clients get 429 and try again. Add shards (stream_shards)."
      namespace   = "AWS/Kinesis"
      metric      = "WriteProvisionedThroughputExceeded"
      dimensions  = { StreamName = aws_kinesis_stream.events.name }
      periods     = 3
    }
    duplicate-keys = {
      description = "A curated table has a key twice, so reports may count its row twice. daily-batch's log names it; the next merge keeps the latest row."
      namespace   = local.metrics_namespace
      metric      = "duplicate_keys"
      dimensions  = { function = module.daily_batch.name }
      statistic   = "Maximum"
      period_s    = 86400
    }
    stream-unread = {
      description = "The oldest record that was read lay on the stream for a quarter of an hour: stream-cleaner does not keep up, or cannot write. Records leave the stream after ${var.stream_retention_hours} hours."
      namespace   = "AWS/Kinesis"
      metric      = "GetRecords.IteratorAgeMilliseconds"
      dimensions  = { StreamName = aws_kinesis_stream.events.name }
      statistic   = "Maximum"
      threshold   = 900000
      periods     = 3
    }
    limits-near = {
      description = "The daily run used more than 60 % of the time or the memory that its function has: `summary.json` says of which. Raise daily_memory_mb, or read in functions/daily-batch/README.md from which load on another engine is needed."
      namespace   = local.metrics_namespace
      metric      = "limits_used_percent"
      dimensions  = { function = module.daily_batch.name }
      statistic   = "Maximum"
      threshold   = 60
      period_s    = 86400
    }
    steps-failed = {
      description = "Compaction, vacuum or a report failed; the run went on without it, and the tables are right. `pinflow daily show` has the error."
      namespace   = local.metrics_namespace
      metric      = "steps_failed"
      dimensions  = { function = module.daily_batch.name }
      statistic   = "Maximum"
      period_s    = 86400
    }
    objects-failed = {
      description = "stream-cleaner cannot write to the lake, and tries the same records again: look at the bucket, its key, and the role's permissions."
      namespace   = local.metrics_namespace
      metric      = "objects_failed"
      dimensions  = { function = module.stream_cleaner.name }
    }
    objects-unreadable = {
      description = "Clean objects cannot be read, and their rows are in no table. daily-batch's log names them; restore them from the bucket's versions."
      namespace   = local.metrics_namespace
      metric      = "objects_unreadable"
      dimensions  = { function = module.daily_batch.name }
      statistic   = "Maximum"
      period_s    = 86400
    }
    row-imbalance = {
      description = "A merge changed a table's number of rows by something else than what it merged. Vacuum nothing; restore the table to the version that the error names."
      namespace   = local.metrics_namespace
      metric      = "row_imbalance"
      dimensions  = { function = module.daily_batch.name }
      statistic   = "Maximum"
      period_s    = 86400
    }
    unaccounted = {
      description = "Accepted records are neither clean nor in quarantine. daily-batch's log names them while the stream has them: fetch them again, or say with `pinflow daily explain` what became of them."
      namespace   = local.metrics_namespace
      metric      = "unaccounted"
      dimensions  = { function = module.daily_batch.name }
      statistic   = "Maximum"
      period_s    = 86400
    }
  })
}

resource "aws_sns_topic" "alarms" {
  name              = "${local.name}-alarms"
  kms_master_key_id = local.key_arn
}

resource "aws_sns_topic_policy" "alarms" {
  arn    = aws_sns_topic.alarms.arn
  policy = data.aws_iam_policy_document.alarms.json
}

data "aws_iam_policy_document" "alarms" {
  statement {
    sid       = "Alarms"
    actions   = ["sns:Publish"]
    resources = [aws_sns_topic.alarms.arn]

    principals {
      type        = "Service"
      identifiers = ["cloudwatch.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account_id]
    }
  }
}

resource "aws_sns_topic_subscription" "alarms" {
  count = var.alarm_email == null ? 0 : 1

  endpoint  = var.alarm_email
  protocol  = "email"
  topic_arn = aws_sns_topic.alarms.arn
}

resource "aws_cloudwatch_metric_alarm" "main" {
  for_each = { for name, alarm in local.alarms : name => alarm if !local.is_lean || contains(local.lean_alarms, name) }

  alarm_actions       = [aws_sns_topic.alarms.arn]
  alarm_description   = "${each.value.description} ${local.silence.notBreaching}"
  alarm_name          = "${local.name}-${each.key}"
  comparison_operator = "GreaterThanThreshold"
  dimensions          = each.value.dimensions
  evaluation_periods  = try(each.value.periods, 1)
  extended_statistic  = try(startswith(each.value.statistic, "p"), false) ? each.value.statistic : null
  metric_name         = each.value.metric
  namespace           = each.value.namespace
  ok_actions          = [aws_sns_topic.alarms.arn]
  period              = try(each.value.period_s, 300)
  statistic           = try(startswith(each.value.statistic, "p"), false) ? null : try(each.value.statistic, "Sum")
  threshold           = try(each.value.threshold, 0)
  treat_missing_data  = "notBreaching"
}

# Shares of the API's requests.
resource "aws_cloudwatch_metric_alarm" "api_share" {
  for_each = { for name, alarm in local.share_alarms : name => alarm if !local.is_lean || contains(local.lean_alarms, name) }

  alarm_actions       = [aws_sns_topic.alarms.arn]
  alarm_description   = "${each.value.description} ${local.silence.notBreaching}"
  alarm_name          = "${local.name}-${each.key}"
  comparison_operator = "GreaterThanThreshold"
  evaluation_periods  = 1
  ok_actions          = [aws_sns_topic.alarms.arn]
  threshold           = each.value.percent
  treat_missing_data  = "notBreaching"

  metric_query {
    id          = "share"
    expression  = "IF(requests > ${each.value.requests}, 100 * answers / requests, 0)"
    label       = "${each.value.metric}, percent"
    return_data = true
  }

  dynamic "metric_query" {
    for_each = { answers = each.value.metric, requests = "Count" }

    content {
      id = metric_query.key

      metric {
        dimensions  = { ApiId = aws_apigatewayv2_api.main.id, Stage = aws_apigatewayv2_stage.main.name }
        metric_name = metric_query.value
        namespace   = "AWS/ApiGateway"
        period      = each.value.period_s
        stat        = "Sum"
      }
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "quarantine_share" {
  alarm_actions       = [aws_sns_topic.alarms.arn]
  alarm_description   = "More than ${var.quarantine_alarm_percent} % of an hour's records were rejected: `pinflow quarantine list` shows why. ${local.silence.notBreaching}"
  alarm_name          = "${local.name}-quarantine-share"
  comparison_operator = "GreaterThanThreshold"
  evaluation_periods  = 1
  ok_actions          = [aws_sns_topic.alarms.arn]
  threshold           = var.quarantine_alarm_percent
  treat_missing_data  = "notBreaching"

  metric_query {
    id          = "share"
    expression  = "IF(records > 0, 100 * rejected / records, 0)"
    label       = "rejected, percent"
    return_data = true
  }

  metric_query {
    id = "rejected"

    metric {
      dimensions  = { function = module.stream_cleaner.name }
      metric_name = "rejected"
      namespace   = local.metrics_namespace
      period      = 3600
      stat        = "Sum"
    }
  }

  metric_query {
    id = "records"

    metric {
      dimensions  = { function = module.stream_cleaner.name }
      metric_name = "user_records_in"
      namespace   = local.metrics_namespace
      period      = 3600
      stat        = "Sum"
    }
  }
}

# Records come in and nobody reads them: the mapping is disabled, its key was taken away, or the function's concurrency is used up. Lambda then
# sends no age and no error, so the alarm compares two counts, and takes no count for 0
# (https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html).
resource "aws_cloudwatch_metric_alarm" "cleaner_silent" {
  alarm_actions       = [aws_sns_topic.alarms.arn]
  alarm_description   = "For a quarter of an hour records came in, and stream-cleaner was not started: look at its event source mapping, the key, and the account's concurrency. The records are on the stream for ${var.stream_retention_hours} hours. ${local.silence.notBreaching}"
  alarm_name          = "${local.name}-cleaner-silent"
  comparison_operator = "GreaterThanThreshold"
  evaluation_periods  = 3
  ok_actions          = [aws_sns_topic.alarms.arn]
  threshold           = 0
  treat_missing_data  = "notBreaching"

  metric_query {
    id          = "silent"
    expression  = "IF(FILL(records, 0) > 0 AND FILL(invocations, 0) == 0, 1, 0)"
    label       = "records came in, and nobody read them"
    return_data = true
  }

  metric_query {
    id = "records"

    metric {
      dimensions  = { StreamName = aws_kinesis_stream.events.name }
      metric_name = "IncomingRecords"
      namespace   = "AWS/Kinesis"
      period      = 300
      stat        = "Sum"
    }
  }

  metric_query {
    id = "invocations"

    metric {
      dimensions  = { FunctionName = module.stream_cleaner.name }
      metric_name = "Invocations"
      namespace   = "AWS/Lambda"
      period      = 300
      stat        = "Sum"
    }
  }
}

# A whole day without a run of the schedule that ended well, up to the end of the hour in which it starts. In a time zone with summer time one
# day has 25 hours, and the alarm gives that hour to each.
resource "aws_cloudwatch_metric_alarm" "daily_run_missing" {
  alarm_actions       = [aws_sns_topic.alarms.arn]
  alarm_description   = "The daily batch did not end well within the hour after its start: look at `pinflow daily runs`, the dead letters, and the schedule. ${local.silence.breaching}"
  alarm_name          = "${local.name}-daily-run-missing"
  comparison_operator = "LessThanThreshold"
  dimensions          = { function = module.daily_batch.name }
  evaluation_periods  = var.schedule_time_zone == "UTC" ? 24 : 25
  metric_name         = "scheduled_runs_succeeded"
  namespace           = local.metrics_namespace
  ok_actions          = [aws_sns_topic.alarms.arn]
  period              = 3600
  statistic           = "Sum"
  threshold           = 1
  treat_missing_data  = "breaching"
}

# A day on which nobody knows whether a record is missing: the check broke off, or there was no run at all.
resource "aws_cloudwatch_metric_alarm" "reconciliation_incomplete" {
  alarm_actions       = [aws_sns_topic.alarms.arn]
  alarm_description   = "The daily batch could not compare what the stream took with what the lake has, so `unaccounted` says nothing: daily-batch's log has the reason. ${local.silence.breaching}"
  alarm_name          = "${local.name}-reconciliation-incomplete"
  comparison_operator = "LessThanThreshold"
  dimensions          = { function = module.daily_batch.name }
  evaluation_periods  = 1
  metric_name         = "reconciliation_complete"
  namespace           = local.metrics_namespace
  ok_actions          = [aws_sns_topic.alarms.arn]
  period              = 86400
  statistic           = "Minimum"
  threshold           = 1
  treat_missing_data  = "breaching"
}

resource "aws_budgets_budget" "monthly" {
  count = var.monthly_budget_usd == null ? 0 : 1

  name         = local.name
  budget_type  = "COST"
  limit_amount = tostring(var.monthly_budget_usd)
  limit_unit   = "USD"
  time_unit    = "MONTHLY"

  # The tag must be activated once as a cost allocation tag, in the account's billing settings.
  cost_filter {
    name   = "TagKeyValue"
    values = [join("$", ["user:Stack", var.name_prefix])]
  }

  notification {
    comparison_operator        = "GREATER_THAN"
    notification_type          = "ACTUAL"
    subscriber_email_addresses = [var.alarm_email]
    threshold                  = 80
    threshold_type             = "PERCENTAGE"
  }

  notification {
    comparison_operator        = "GREATER_THAN"
    notification_type          = "FORECASTED"
    subscriber_email_addresses = [var.alarm_email]
    threshold                  = 100
    threshold_type             = "PERCENTAGE"
  }
}
