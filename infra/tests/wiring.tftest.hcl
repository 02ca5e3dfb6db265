# What is connected with what: the maps and the rights here are the contract with the functions' code.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  name_prefix       = "pinflow-test"
  package_directory = "tests/packages"
}

# The mocks give each bucket one name.
override_resource {
  target = aws_s3_bucket.failed_batches
  values = {
    arn = "arn:aws:s3:::failed"
    id  = "failed"
  }
}

run "each_function_gets_exactly_its_variables" {
  assert {
    condition = module.ingest_api.environment == tomap({
      DEEP_HEALTH     = "off"
      MODEL_DIR       = "model"
      PACKING         = "off"
      PACKING_KEYS    = "16"
      PATIENCE_MS     = "3000"
      STREAM_NAME     = "pinflow-test-events"
      STREAM_PATTERNS = "*"
      TOPIC_PATTERNS  = "*"
    })
    error_message = "ingest-api gets other variables."
  }

  assert {
    condition = module.stream_cleaner.environment == tomap({
      BUCKET_NAME    = "lake"
      GLIBC_TUNABLES = "glibc.malloc.mmap_threshold=33554432:glibc.malloc.trim_threshold=134217728"
      METRICS        = "all"
      MODEL_DIR      = "model"
    })
    error_message = "stream-cleaner gets other variables."
  }

  assert {
    condition = module.daily_batch.environment == tomap({
      BUCKET_NAME            = "lake"
      CATCH_UP_DAYS          = "7"
      CLEAN_DAYS             = "90"
      MODEL_DIR              = "model"
      RUN_EXPIRY_SECONDS     = "60"
      STREAM_NAME            = "pinflow-test-events"
      SLICE_ROWS             = "6000000"
      VACUUM_RETENTION_HOURS = "168"
      SEAL_AFTER_HOURS       = "48"
    })
    error_message = "daily-batch gets other variables."
  }
}

run "a_share_of_the_concurrency_is_the_cleaners_where_the_quota_allows" {
  assert {
    condition     = module.stream_cleaner.reserved_concurrency == 1
    error_message = "Requests that wait can keep stream-cleaner from reading."
  }
}

run "a_new_account_has_nothing_to_reserve" {
  variables {
    account_concurrency = 10
    api_throttle        = { rate = 2, burst = 5 }
  }

  assert {
    condition     = module.stream_cleaner.reserved_concurrency == -1
    error_message = "Lambda refuses to reserve executions when fewer than 100 would be left."
  }
}

run "ingest_api_may_put_records_and_nothing_else" {
  assert {
    condition = [for statement in data.aws_iam_policy_document.ingest_api.statement : [statement.sid, sort(statement.actions), sort(statement.resources)]] == [
      ["PutRecords", tolist(["kinesis:DescribeStreamSummary", "kinesis:PutRecords"]), tolist(["arn:aws:kinesis:us-east-1:123456789012:stream/events"])],
      ["EncryptRecords", tolist(["kms:GenerateDataKey"]), tolist(["arn:aws:kms:us-east-1:123456789012:key/key"])],
    ]
    error_message = "ingest-api may do something else."
  }
}

run "with_keys_ingest_api_may_read_them_too" {
  variables {
    api_auth = "api_key"
  }

  assert {
    condition = slice([for statement in data.aws_iam_policy_document.ingest_api.statement : [statement.sid, sort(statement.actions), sort(statement.resources)]], 2, 4) == [
      ["ReadKeys", tolist(["ssm:GetParameter"]), tolist(["arn:aws:ssm:us-east-1:123456789012:parameter/pinflow-test/api-keys"])],
      ["DecryptKeys", tolist(["kms:Decrypt"]), tolist(["arn:aws:kms:us-east-1:123456789012:key/key"])],
    ]
    error_message = "ingest-api may not read its keys, or more than them."
  }

  assert {
    condition     = module.ingest_api.environment["API_KEYS"] == "/pinflow-test/api-keys"
    error_message = "ingest-api does not know where its keys are."
  }

  assert {
    condition     = alltrue([for route in aws_apigatewayv2_route.main : route.authorization_type == "NONE"])
    error_message = "The function tells right keys from wrong ones, not API Gateway."
  }

  assert {
    condition     = endswith(output.post_command, " --api-key-file FILE")
    error_message = "The command to paste posts without what the API asks for."
  }
}

run "stream_cleaner_may_read_the_stream_and_write_its_own_prefixes" {
  assert {
    condition = [for statement in data.aws_iam_policy_document.stream_cleaner.statement : [statement.sid, sort(statement.actions), sort(statement.resources)]] == [
      ["ReadStream", tolist(["kinesis:DescribeStream", "kinesis:DescribeStreamSummary", "kinesis:GetRecords", "kinesis:GetShardIterator", "kinesis:ListShards", "kinesis:SubscribeToShard"]), tolist(["arn:aws:kinesis:us-east-1:123456789012:stream/events"])],
      ["ListStreams", tolist(["kinesis:ListStreams"]), tolist(["*"])],
      ["LookBeforeReplacing", tolist(["s3:GetObject"]), tolist(["arn:aws:s3:::lake/clean/*", "arn:aws:s3:::lake/quarantine/*"])],
      ["WriteLake", tolist(["s3:PutObject"]), tolist(["arn:aws:s3:::lake/clean/*", "arn:aws:s3:::lake/quarantine/*"])],
      ["GiveUp", tolist(["s3:PutObject"]), tolist(["arn:aws:s3:::failed/aws/lambda/*"])],
      ["FindWhereToGiveUp", tolist(["s3:ListBucket"]), tolist(["arn:aws:s3:::failed"])],
      ["DecryptAndEncrypt", tolist(["kms:Decrypt", "kms:GenerateDataKey"]), tolist(["arn:aws:kms:us-east-1:123456789012:key/key"])],
    ]
    error_message = "stream-cleaner may do something else."
  }
}

run "daily_batch_may_not_write_what_others_write" {
  assert {
    condition = [for statement in data.aws_iam_policy_document.daily_batch.statement : [statement.sid, sort(statement.actions), sort(statement.resources)]] == [
      ["ListLake", tolist(["s3:ListBucket"]), tolist(["arn:aws:s3:::lake"])],
      ["ReadLake", tolist(["s3:GetObject"]), tolist(["arn:aws:s3:::lake/clean/*", "arn:aws:s3:::lake/curated/*", "arn:aws:s3:::lake/quarantine/*", "arn:aws:s3:::lake/reports/*", "arn:aws:s3:::lake/runs/*"])],
      ["WriteLake", tolist(["s3:AbortMultipartUpload", "s3:PutObject"]), tolist(["arn:aws:s3:::lake/archive/*", "arn:aws:s3:::lake/curated/*", "arn:aws:s3:::lake/reports/*", "arn:aws:s3:::lake/runs/*"])],
      ["VacuumTables", tolist(["s3:DeleteObject"]), tolist(["arn:aws:s3:::lake/clean/*", "arn:aws:s3:::lake/curated/*"])],
      ["CountStream", tolist(["kinesis:DescribeStreamSummary", "kinesis:GetRecords", "kinesis:GetShardIterator", "kinesis:ListShards"]), tolist(["arn:aws:kinesis:us-east-1:123456789012:stream/events"])],
      ["CountRecords", tolist(["cloudwatch:GetMetricStatistics"]), tolist(["*"])],
      ["DecryptAndEncrypt", tolist(["kms:Decrypt", "kms:GenerateDataKey"]), tolist(["arn:aws:kms:us-east-1:123456789012:key/key"])],
      ["GiveUp", tolist(["sqs:SendMessage"]), tolist(["arn:aws:sqs:us-east-1:123456789012:queue"])],
      ["StartAgain", tolist(["lambda:InvokeFunction"]), tolist(["arn:aws:lambda:us-east-1:123456789012:function:pinflow-test-daily-batch"])],
    ]
    error_message = "daily-batch may do something else."
  }
}

run "the_scheduler_may_start_one_function" {
  assert {
    condition = [for statement in data.aws_iam_policy_document.scheduler.statement : [statement.sid, sort(statement.actions), sort(statement.resources)]] == [
      ["Start", tolist(["lambda:InvokeFunction"]), tolist(["arn:aws:lambda:us-east-1:123456789012:function:function"])],
      ["GiveUp", tolist(["sqs:SendMessage"]), tolist(["arn:aws:sqs:us-east-1:123456789012:queue"])],
    ]
    error_message = "The schedule may do something else."
  }

  assert {
    condition     = toset(flatten([for statement in data.aws_iam_policy_document.scheduler_trust.statement : [for condition in statement.condition : condition.variable]])) == toset(["aws:SourceAccount", "aws:SourceArn"])
    error_message = "Somebody else's schedule may take this role."
  }
}

run "every_use_of_the_key_goes_through_a_service" {
  assert {
    condition = alltrue(flatten([
      for document in [data.aws_iam_policy_document.ingest_api, data.aws_iam_policy_document.stream_cleaner, data.aws_iam_policy_document.daily_batch] : [
        for statement in document.statement : contains([for condition in statement.condition : condition.variable], "kms:ViaService")
        if anytrue([for action in statement.actions : startswith(action, "kms:")])
      ]
    ]))
    error_message = "A role may use the key by itself."
  }
}

run "by_default_requests_are_signed" {
  assert {
    condition     = alltrue([for route in aws_apigatewayv2_route.main : route.authorization_type == "AWS_IAM"])
    error_message = "A route takes unsigned posts."
  }

  assert {
    condition     = toset(keys(aws_apigatewayv2_route.open)) == toset(["GET /health", "GET /openapi.yaml", "HEAD /health", "HEAD /openapi.yaml"])
    error_message = "Other routes are open."
  }

  assert {
    condition     = endswith(output.post_command, " --sigv4 --region us-east-1")
    error_message = "The command to paste posts without what the API asks for."
  }
}

run "tokens_are_told_right_from_wrong_by_the_api" {
  variables {
    api_auth = "jwt"
    jwt      = { issuer = "https://login.example.com", audiences = ["pinflow"], scopes = ["posts/write"] }
  }

  assert {
    condition     = alltrue([for route in aws_apigatewayv2_route.main : route.authorization_type == "JWT" && route.authorizer_id == aws_apigatewayv2_authorizer.jwt[0].id && route.authorization_scopes == toset(["posts/write"])])
    error_message = "A route takes posts without a token."
  }

  assert {
    condition     = endswith(output.post_command, " --token-file FILE")
    error_message = "The command to paste posts without what the API asks for."
  }
}

run "every_batch_has_all_records_between_its_bounds" {
  assert {
    condition = (
      aws_lambda_event_source_mapping.stream_cleaner.parallelization_factor == 1
      && length(aws_lambda_event_source_mapping.stream_cleaner.filter_criteria) == 0
      && aws_lambda_event_source_mapping.stream_cleaner.tumbling_window_in_seconds == null
    )
    error_message = "A batch may leave records out, and yet have the key of one that has them."
  }
}

run "a_batch_is_tried_as_long_as_the_stream_has_it" {
  assert {
    condition = alltrue([
      aws_lambda_event_source_mapping.stream_cleaner.bisect_batch_on_function_error,
      aws_lambda_event_source_mapping.stream_cleaner.function_response_types == toset(["ReportBatchItemFailures"]),
      aws_lambda_event_source_mapping.stream_cleaner.maximum_record_age_in_seconds == -1,
      aws_lambda_event_source_mapping.stream_cleaner.maximum_retry_attempts == -1,
      aws_lambda_event_source_mapping.stream_cleaner.destination_config[0].on_failure[0].destination_arn == "arn:aws:s3:::failed",
    ])
    error_message = "A batch may be given up while the stream has its records."
  }
}

run "what_the_schedule_cannot_start_and_what_fails_is_kept" {
  assert {
    condition = alltrue([
      aws_scheduler_schedule.daily.target[0].dead_letter_config[0].arn == aws_sqs_queue.dead_letters.arn,
      aws_lambda_function_event_invoke_config.daily_batch.destination_config[0].on_failure[0].destination == aws_sqs_queue.dead_letters.arn,
      aws_scheduler_schedule.daily.target[0].retry_policy[0].maximum_retry_attempts == 185,
    ])
    error_message = "A failed start is lost."
  }

  assert {
    condition     = jsondecode(aws_scheduler_schedule.daily.target[0].input) == { trigger = "schedule", scheduled_time = "<aws.scheduler.scheduled-time>" }
    error_message = "The function does not get the payload that its README tells."
  }

  assert {
    condition     = strcontains(aws_scheduler_schedule.daily.target[0].input, "<aws.scheduler.scheduled-time>")
    error_message = "Scheduler does not fill a placeholder whose brackets are escaped."
  }
}

run "each_alarm_tells_the_topic" {
  assert {
    condition = alltrue([
      for alarm in concat(
        values(aws_cloudwatch_metric_alarm.main),
        values(aws_cloudwatch_metric_alarm.api_share),
        [aws_cloudwatch_metric_alarm.cleaner_silent, aws_cloudwatch_metric_alarm.daily_run_missing, aws_cloudwatch_metric_alarm.quarantine_share, aws_cloudwatch_metric_alarm.reconciliation_incomplete],
      ) : alarm.alarm_actions == toset([aws_sns_topic.alarms.arn])
    ])
    error_message = "An alarm tells nobody."
  }

  assert {
    condition = alltrue([
      for alarm in concat(
        values(aws_cloudwatch_metric_alarm.main),
        values(aws_cloudwatch_metric_alarm.api_share),
        [aws_cloudwatch_metric_alarm.cleaner_silent, aws_cloudwatch_metric_alarm.daily_run_missing, aws_cloudwatch_metric_alarm.quarantine_share, aws_cloudwatch_metric_alarm.reconciliation_incomplete],
      ) : endswith(alarm.alarm_description, alarm.treat_missing_data == "breaching" ? "Silence is an alarm." : "Silence is none.")
    ])
    error_message = "An alarm does not say what it does in silence."
  }

  assert {
    condition = alltrue([
      aws_cloudwatch_metric_alarm.cleaner_silent.evaluation_periods == 3,
      alltrue([for query in aws_cloudwatch_metric_alarm.cleaner_silent.metric_query : query.metric[0].period == 300 if length(query.metric) > 0]),
      anytrue([for query in aws_cloudwatch_metric_alarm.cleaner_silent.metric_query : query.expression == "IF(FILL(records, 0) > 0 AND FILL(invocations, 0) == 0, 1, 0)"]),
    ])
    error_message = "Records that nobody reads wake nobody within 15 minutes."
  }

  # Minutes until each alarm of an outage goes off; ARCHITECTURE.md tells of them.
  assert {
    condition = { for name in ["api-latency", "concurrency", "iterator-age", "objects-failed", "stream-cleaner-errors", "stream-throttled", "stream-unread"] :
      name => aws_cloudwatch_metric_alarm.main[name].period * aws_cloudwatch_metric_alarm.main[name].evaluation_periods / 60
    } == { api-latency = 15, concurrency = 5, iterator-age = 5, objects-failed = 5, stream-cleaner-errors = 5, stream-throttled = 15, stream-unread = 15 }
    error_message = "An alarm of an outage goes off later or sooner than ARCHITECTURE.md says."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.api_share["api-errors"].metric_query != null && anytrue([for query in aws_cloudwatch_metric_alarm.api_share["api-errors"].metric_query : try(query.metric[0].period, 0) == 300])
    error_message = "Requests that fail wake nobody within 5 minutes."
  }

  assert {
    condition     = length(aws_cloudwatch_metric_alarm.main) == 23
    error_message = "An alarm came or went: the bill counts them."
  }

  assert {
    condition     = alltrue([for alarm in [aws_cloudwatch_metric_alarm.daily_run_missing, aws_cloudwatch_metric_alarm.reconciliation_incomplete] : alarm.treat_missing_data == "breaching"])
    error_message = "A run that did not happen sends no metric, and must still be noticed."
  }
}

run "lean_monitoring_keeps_the_alarms_of_lost_records" {
  variables {
    monitoring = "lean"
  }

  assert {
    condition     = toset(keys(merge(aws_cloudwatch_metric_alarm.main, aws_cloudwatch_metric_alarm.api_share))) == toset(local.lean_alarms)
    error_message = "An alarm is on the list of the lean ones that there is not, or there is another."
  }

  assert {
    condition     = length(aws_cloudwatch_dashboard.main) == 0 && !aws_apigatewayv2_stage.main.default_route_settings[0].detailed_metrics_enabled
    error_message = "Lean monitoring has a dashboard, or metrics that no alarm looks at."
  }

  assert {
    condition     = module.stream_cleaner.environment.METRICS == "alarms"
    error_message = "stream-cleaner sends metrics that no alarm looks at."
  }
}

run "a_busy_stack_packs_waits_longer_and_logs_less" {
  variables {
    packing                  = { form = "gzip", partition_keys = 32 }
    request_logs             = false
    stream_batching_window_s = 300
  }

  assert {
    condition     = module.ingest_api.environment.PACKING == "gzip" && module.ingest_api.environment.PACKING_KEYS == "32"
    error_message = "ingest-api does not pack as it is told."
  }

  assert {
    condition     = aws_lambda_event_source_mapping.stream_cleaner.maximum_batching_window_in_seconds == 300
    error_message = "stream-cleaner does not wait for larger batches."
  }

  assert {
    condition     = module.ingest_api.log_level == "WARN" && module.stream_cleaner.log_level == "INFO" && length(aws_apigatewayv2_stage.main.access_log_settings) == 0
    error_message = "A request has lines in a log, or a batch has none: its metrics are in them."
  }
}

run "each_prefix_expires_when_it_should" {
  assert {
    condition     = { for rule in aws_s3_bucket_lifecycle_configuration.lake.rule : rule.id => rule.expiration[0].days if !contains(["archive", "leftovers"], rule.id) } == { athena = 7, quarantine = 365, replays = 90 }
    error_message = "A prefix expires at another time; curated tables, reports and the ledger never do."
  }

  # By age alone a rule would take clean rows that no archive has.
  assert {
    condition     = alltrue([for rule in aws_s3_bucket_lifecycle_configuration.lake.rule : rule.filter[0].prefix != "clean/"])
    error_message = "A rule deletes clean rows."
  }
}

run "what_made_a_batch_fail_cannot_keep_it_from_being_kept" {
  assert {
    condition = alltrue([
      one(one(aws_s3_bucket_server_side_encryption_configuration.failed_batches.rule).apply_server_side_encryption_by_default).sse_algorithm == "AES256",
      aws_s3_bucket_public_access_block.closed["failed_batches"].block_public_policy,
      one(aws_s3_bucket_lifecycle_configuration.failed_batches.rule).expiration[0].days == 365,
      strcontains(local.alarms["batches-given-up"].description, "--failed-bucket failed"),
    ])
    error_message = "A batch that is given up needs the lake's key or bucket, or nobody finds it."
  }
}

run "the_lake_stays_readable_until_somebody_notices" {
  assert {
    condition     = aws_kms_key.main[0].deletion_window_in_days == 30
    error_message = "The key of the lake is gone before anybody comes back from a holiday."
  }
}

run "with_the_keys_of_aws_there_is_no_key_to_pay_for" {
  variables {
    api_auth   = "api_key"
    encryption = "aws-keys"
  }

  assert {
    condition = alltrue([
      length(aws_kms_key.main) == 0,
      length(aws_kms_alias.main) == 0,
      aws_kinesis_stream.events.encryption_type == "KMS",
      aws_kinesis_stream.events.kms_key_id == "alias/aws/kinesis",
      one(one(aws_s3_bucket_server_side_encryption_configuration.lake.rule).apply_server_side_encryption_by_default).sse_algorithm == "AES256",
      one(one(aws_athena_workgroup.main.configuration).result_configuration[0].encryption_configuration).encryption_option == "SSE_S3",
      aws_sns_topic.alarms.kms_master_key_id == null,
      aws_cloudwatch_log_group.api.kms_key_id == null,
      !strcontains(output.api_keys_command, "--key-id"),
      !strcontains(output.add_api_key_command, "--key-id"),
    ])
    error_message = "Something is not encrypted, or with a key of the stack's own."
  }

  assert {
    condition = !anytrue(flatten([
      for document in [data.aws_iam_policy_document.ingest_api, data.aws_iam_policy_document.stream_cleaner, data.aws_iam_policy_document.daily_batch] : [
        for statement in document.statement : [for action in statement.actions : startswith(action, "kms:")]
      ]
    ]))
    error_message = "A role has a right to a key that is not there."
  }
}

run "athena_looks_for_no_partition_that_has_expired" {
  assert {
    condition = alltrue(concat(
      [for table in aws_glue_catalog_table.clean : table.parameters["projection.date.range"] == "NOW-92DAYS,NOW"],
      [aws_glue_catalog_table.quarantine.parameters["projection.date.range"] == "NOW-367DAYS,NOW"],
    ))
    error_message = "Partitions are computed for days that have no object any more, or not for all that have."
  }
}

run "partitions_are_found_as_athena_asks" {
  assert {
    condition = alltrue([
      for table in concat(values(aws_glue_catalog_table.clean), [aws_glue_catalog_table.quarantine]) :
      endswith(table.parameters["storage.location.template"], "}/")
    ])
    error_message = "A location template has no closing slash, which Athena asks for."
  }
}

run "the_catalog_has_the_model_s_columns_in_their_order" {
  assert {
    condition = [for column in aws_glue_catalog_table.clean["geo"].storage_descriptor[0].columns : "${column.name} ${column.type}"] == [
      "ind bigint", "country string", "coordinates array<double>", "timestamp timestamp", "_shard string", "_sequence string",
      "_arrival timestamp", "_rules int", "_extra string", "_unread string",
    ]
    error_message = "Glue has other columns of geo than the model."
  }

  assert {
    condition     = keys(aws_glue_catalog_table.curated) == ["geo", "pin", "user"]
    error_message = "Glue has other tables than the model."
  }
}

run "a_model_of_other_tables_is_in_the_catalog" {
  variables {
    model_directory = "../tests/other-model"
  }

  assert {
    condition = [for column in slice(aws_glue_catalog_table.clean["board"].storage_descriptor[0].columns, 0, 8) : "${column.name} ${column.type}"] == [
      "slug string", "owner bigint", "budget decimal(10,2)", "changed timestamp", "opened date", "detail string", "is_open boolean", "score double",
    ]
    error_message = "Glue has other columns of a table than its file."
  }

  assert {
    condition     = startswith(aws_athena_named_query.report["clicks_by_owner"].query, "WITH clicked_boards AS (\n    SELECT board.slug")
    error_message = "A report in Athena lacks the view that it reads."
  }

  assert {
    condition     = startswith(aws_athena_named_query.report["budget_by_owner"].query, "SELECT owner")
    error_message = "A report in Athena has a view that it does not read."
  }
}

run "queries_find_the_tables_from_the_start" {
  assert {
    condition     = jsondecode(aws_lambda_invocation.first_run.input).trigger == "schedule"
    error_message = "Curated queries fail until the next morning, and the alarm of a missing run rings until then."
  }
}

run "a_key_is_added_and_none_replaced" {
  assert {
    condition     = !strcontains(output.api_keys_command, "--overwrite") && strcontains(output.add_api_key_command, "get-parameter")
    error_message = "A command that is pasted twice takes all keys away."
  }
}

run "anybody_takes_nothing_from_posters" {
  assert {
    condition = { for route in aws_apigatewayv2_stage.main.route_settings : route.route_key => route.throttling_rate_limit } == {
      for route in ["GET /health", "GET /openapi.yaml", "HEAD /health", "HEAD /openapi.yaml"] : route => 10
    }
    error_message = "A route that is open to all has no throttle of its own."
  }
}

run "there_is_one_way_in" {
  variables {
    domain = { name = "posts.example.com", certificate_arn = "arn:aws:acm:us-east-1:123456789012:certificate/x" }
  }

  assert {
    condition     = aws_apigatewayv2_api.main.disable_execute_api_endpoint
    error_message = "The default endpoint stays open beside the domain."
  }
}

run "two_stacks_share_no_name" {
  variables {
    name_prefix = "pinflow-other"
  }

  assert {
    condition = alltrue([for name in concat(
      [aws_kinesis_stream.events.name, aws_s3_bucket.lake.bucket, aws_sqs_queue.dead_letters.name, aws_sns_topic.alarms.name, aws_athena_workgroup.main.name],
      [aws_iam_role.scheduler.name, aws_cloudwatch_dashboard.main[0].dashboard_name, aws_kms_alias.main[0].name, aws_cloudwatch_log_group.api.name],
      values(local.function_names),
    ) : strcontains(name, "pinflow-other")])
    error_message = "A name lacks the prefix."
  }
}
