# One Lambda function with its role and its log group. The log group is made first, so that it has its retention before the first line.

resource "aws_lambda_function" "main" {
  # checkov:skip=CKV_AWS_115:An account's concurrency is small at first, and reserving some of it fails: the caller says where there is enough.
  # checkov:skip=CKV_AWS_50:Traces are paid for by the piece; the caller says whether they are made.
  # checkov:skip=CKV_AWS_116:A caller waits for two of the functions; the third's failures have a destination in schedule.tf.
  # checkov:skip=CKV_AWS_117:The functions talk to AWS's own services only; a network of their own would cost more than the stack.
  # checkov:skip=CKV_AWS_173:The variables are names, none is a secret; Lambda encrypts them with its own key.
  # checkov:skip=CKV_AWS_272:The package comes from the machine that applies; signing it there would prove nothing.
  function_name    = var.name
  description      = var.description
  architectures    = [var.architecture]
  filename         = var.package
  handler          = "bootstrap"
  memory_size      = var.memory_mb
  role             = aws_iam_role.main.arn
  runtime          = "provided.al2023"
  source_code_hash = filebase64sha256(var.package)
  timeout          = var.timeout_s

  reserved_concurrent_executions = var.reserved_concurrency

  environment {
    variables = { for name, value in var.environment : name => value if value != null }
  }

  ephemeral_storage {
    size = var.ephemeral_storage_mb
  }

  logging_config {
    application_log_level = var.log_level
    log_format            = "JSON"
    log_group             = aws_cloudwatch_log_group.main.name
    system_log_level      = var.log_level
  }

  tracing_config {
    mode = var.tracing
  }

  depends_on = [aws_iam_role_policy.main, aws_iam_role_policy.telemetry]
}

resource "aws_cloudwatch_log_group" "main" {
  # checkov:skip=CKV_AWS_338:How long logs are kept is for the caller to say.
  name              = "/aws/lambda/${var.name}"
  kms_key_id        = var.kms_key_arn
  retention_in_days = var.log_retention_days
}

resource "aws_iam_role" "main" {
  name               = var.name
  description        = "What ${var.name} may do"
  assume_role_policy = data.aws_iam_policy_document.trust.json
}

data "aws_caller_identity" "current" {}

data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.current.account_id]
    }
  }
}

resource "aws_iam_role_policy" "main" {
  name   = "work"
  role   = aws_iam_role.main.id
  policy = var.policy
}

resource "aws_iam_role_policy" "telemetry" {
  name   = "telemetry"
  role   = aws_iam_role.main.id
  policy = data.aws_iam_policy_document.telemetry.json
}

data "aws_iam_policy_document" "telemetry" {
  statement {
    sid       = "Logs"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.main.arn}:*"]
  }

  # These actions have no resource.
  statement {
    sid       = "Traces"
    actions   = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]
    resources = ["*"]
  }
}
