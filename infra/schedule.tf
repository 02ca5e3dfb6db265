# Starts daily-batch once a day, at least once: a run that is done is not run again. A start that Scheduler cannot deliver is tried for a day, a
# run that fails twice more, at the step that failed; what is given up lies in the dead-letter queue. The next day's run makes up for it.

resource "aws_scheduler_schedule_group" "daily" {
  name = local.name
}

resource "aws_scheduler_schedule" "daily" {
  # checkov:skip=CKV_AWS_297:The schedule holds a function's name and a time.
  name                         = "${local.name}-daily"
  group_name                   = aws_scheduler_schedule_group.daily.name
  schedule_expression          = var.schedule_expression
  schedule_expression_timezone = var.schedule_time_zone

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = module.daily_batch.arn
    role_arn = aws_iam_role.scheduler.arn
    # Written by hand: jsonencode() spells the angle brackets as \u003c and \u003e, which Scheduler does not fill.
    input = "{\"scheduled_time\":\"<aws.scheduler.scheduled-time>\",\"trigger\":\"schedule\"}"

    dead_letter_config {
      arn = aws_sqs_queue.dead_letters.arn
    }

    retry_policy {
      maximum_event_age_in_seconds = 86400
      maximum_retry_attempts       = 185
    }
  }
}

# The schedule's first start, when the stack is made: the day before it is run. From then on the curated tables are there, so that a query finds
# no row instead of no table; the alarms on the daily batch have what they look for; and a stack whose daily batch cannot run is not made.
resource "aws_lambda_invocation" "first_run" {
  function_name = module.daily_batch.name
  input         = jsonencode({ trigger = "schedule" })

  # Its rights, and how the bucket encrypts.
  depends_on = [module.daily_batch, aws_s3_bucket_server_side_encryption_configuration.lake, aws_s3_bucket_versioning.lake]
}

resource "aws_lambda_function_event_invoke_config" "daily_batch" {
  function_name                = module.daily_batch.name
  maximum_event_age_in_seconds = 21600
  maximum_retry_attempts       = 2

  destination_config {
    on_failure {
      destination = aws_sqs_queue.dead_letters.arn
    }
  }

  # Lambda tries the role's rights when the destination is set.
  depends_on = [module.daily_batch]
}

resource "aws_sqs_queue" "dead_letters" {
  name                      = "${local.name}-dead-letters"
  message_retention_seconds = 1209600
  sqs_managed_sse_enabled   = true
}

resource "aws_sqs_queue_policy" "dead_letters" {
  queue_url = aws_sqs_queue.dead_letters.id
  policy    = data.aws_iam_policy_document.dead_letters.json
}

data "aws_iam_policy_document" "dead_letters" {
  statement {
    sid       = "OnlyTls"
    effect    = "Deny"
    actions   = ["sqs:*"]
    resources = [aws_sqs_queue.dead_letters.arn]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

resource "aws_iam_role" "scheduler" {
  name               = "${local.name}-scheduler"
  description        = "Lets the schedule of ${local.name} start daily-batch"
  assume_role_policy = data.aws_iam_policy_document.scheduler_trust.json
}

resource "aws_iam_role_policy" "scheduler" {
  name   = "start-daily-batch"
  role   = aws_iam_role.scheduler.id
  policy = data.aws_iam_policy_document.scheduler.json
}

data "aws_iam_policy_document" "scheduler" {
  statement {
    sid       = "Start"
    actions   = ["lambda:InvokeFunction"]
    resources = [module.daily_batch.arn]
  }

  statement {
    sid       = "GiveUp"
    actions   = ["sqs:SendMessage"]
    resources = [aws_sqs_queue.dead_letters.arn]
  }
}

data "aws_iam_policy_document" "scheduler_trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["scheduler.amazonaws.com"]
    }

    # Scheduler passes its group's ARN, not the schedule's.
    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = [aws_scheduler_schedule_group.daily.arn]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account_id]
    }
  }
}
