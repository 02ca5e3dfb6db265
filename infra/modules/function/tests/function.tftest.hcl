# What the module promises to its caller.

mock_provider "aws" {
  source = "../../tests/mocks"
}

variables {
  architecture       = "arm64"
  description        = "Does one thing."
  environment        = { BUCKET_NAME = "lake", STREAM_NAME = null }
  kms_key_arn        = "arn:aws:kms:us-east-1:123456789012:key/key"
  log_retention_days = 7
  memory_mb          = 256
  name               = "pinflow-test"
  package            = "../../tests/packages/ingest-api/bootstrap.zip"
  policy             = "{}"
  timeout_s          = 30
}

run "a_variable_without_a_value_is_not_set" {
  assert {
    condition     = output.environment == tomap({ BUCKET_NAME = "lake" })
    error_message = "The function would read an empty name."
  }
}

run "logs_are_json_and_have_their_group_and_key" {
  assert {
    condition = alltrue([
      aws_lambda_function.main.logging_config[0].log_format == "JSON",
      aws_lambda_function.main.logging_config[0].log_group == aws_cloudwatch_log_group.main.name,
      aws_cloudwatch_log_group.main.retention_in_days == 7,
      aws_cloudwatch_log_group.main.kms_key_id == var.kms_key_arn,
    ])
    error_message = "Lambda would make a log group of its own, which is kept for ever."
  }
}

run "beside_its_work_a_function_may_write_logs_and_traces" {
  assert {
    condition = [for statement in data.aws_iam_policy_document.telemetry.statement : [sort(statement.actions), sort(statement.resources)]] == [
      [tolist(["logs:CreateLogStream", "logs:PutLogEvents"]), tolist(["arn:aws:logs:us-east-1:123456789012:log-group:group:*"])],
      [tolist(["xray:PutTelemetryRecords", "xray:PutTraceSegments"]), tolist(["*"])],
    ]
    error_message = "The function may do something else."
  }
}

run "only_this_account_may_lend_the_role" {
  assert {
    condition = alltrue(flatten([
      for statement in data.aws_iam_policy_document.trust.statement : [
        for condition in statement.condition : condition.variable == "aws:SourceAccount" && toset(condition.values) == toset(["123456789012"])
      ]
    ]))
    error_message = "Another account's function could take the role."
  }

  assert {
    condition     = length(flatten([for statement in data.aws_iam_policy_document.trust.statement : statement.condition])) == 1
    error_message = "The role is lent without a condition."
  }
}

run "a_missing_package_is_told_before_anything_is_made" {
  command         = plan
  expect_failures = [var.package]
  variables {
    package = "nowhere/bootstrap.zip"
  }
}

run "a_processor_is_one_of_two" {
  command         = plan
  expect_failures = [var.architecture]
  variables {
    architecture = "aarch64"
  }
}

run "memory_time_and_disk_are_what_lambda_has" {
  command         = plan
  expect_failures = [var.ephemeral_storage_mb, var.memory_mb, var.timeout_s]
  variables {
    ephemeral_storage_mb = 100
    memory_mb            = 64
    timeout_s            = 901
  }
}

run "a_name_fits_lambda" {
  command         = plan
  expect_failures = [var.name]
  variables {
    name = "pinflow-test-with-a-prefix-that-is-far-too-long-to-be-a-name-of-a-function"
  }
}

run "traces_are_made_when_the_caller_says_so" {
  assert {
    condition     = aws_lambda_function.main.tracing_config[0].mode == "PassThrough"
    error_message = "Traces cost money that nobody asked to spend."
  }
}

run "tracing_is_one_of_two" {
  command         = plan
  expect_failures = [var.tracing]
  variables {
    tracing = "on"
  }
}

run "a_log_keeps_all_lines_or_those_of_what_goes_wrong" {
  command         = plan
  expect_failures = [var.log_level]
  variables {
    log_level = "DEBUG"
  }
}
