# A wrong value stops at plan. What each sentence says is in variables.tf.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  package_directory = "tests/packages"
}

run "an_alarm_address_has_an_at_sign" {
  command         = plan
  expect_failures = [var.alarm_email]
  variables {
    alarm_email = "nobody"
  }
}

run "nobody_opens_the_api_by_a_slip" {
  command         = plan
  expect_failures = [var.api_auth]
  variables {
    api_auth = "none"
  }
}

run "an_open_api_is_possible_when_it_is_meant" {
  command = plan
  variables {
    allow_public_api = true
    api_auth         = "none"
  }
}

run "who_may_post_is_one_of_four" {
  command         = plan
  expect_failures = [var.api_auth]
  variables {
    api_auth = "basic"
  }
}

run "tokens_need_an_issuer" {
  command         = plan
  expect_failures = [var.api_auth]
  variables {
    api_auth = "jwt"
  }
}

run "an_issuer_speaks_https" {
  command         = plan
  expect_failures = [var.jwt]
  variables {
    api_auth = "jwt"
    jwt      = { issuer = "http://login.example.com", audiences = ["pinflow"] }
  }
}

run "tokens_name_an_audience" {
  command         = plan
  expect_failures = [var.jwt]
  variables {
    api_auth = "jwt"
    jwt      = { issuer = "https://login.example.com", audiences = [] }
  }
}

run "the_api_takes_at_least_a_request_a_second" {
  command         = plan
  expect_failures = [var.api_throttle]
  variables {
    api_throttle = { rate = 0 }
  }
}

run "a_processor_is_one_of_two" {
  command         = plan
  expect_failures = [var.architecture]
  variables {
    architecture = "aarch64"
  }
}

run "packages_are_for_the_processor_that_gets_them" {
  command         = plan
  expect_failures = [var.architecture]
  variables {
    architecture = "x86_64"
  }
}

run "athena_reads_at_least_ten_megabytes" {
  command         = plan
  expect_failures = [var.athena_scan_limit_gb]
  variables {
    athena_scan_limit_gb = 0.01
  }
}

run "a_folder_without_tables_is_no_model" {
  command         = plan
  expect_failures = [var.model_directory]
  variables {
    model_directory = "../events"
  }
}

run "lambda_has_no_more_memory" {
  command         = plan
  expect_failures = [var.daily_memory_mb]
  variables {
    daily_memory_mb = 20480
  }
}

run "a_certificate_is_of_this_region" {
  command         = plan
  expect_failures = [var.domain]
  variables {
    domain = { name = "posts.example.com", certificate_arn = "arn:aws:acm:eu-west-1:123456789012:certificate/1" }
  }
}

run "a_domain_is_a_name_and_no_url" {
  command         = plan
  expect_failures = [var.domain]
  variables {
    domain = { name = "https://posts.example.com", certificate_arn = "arn:aws:acm:us-east-1:123456789012:certificate/1" }
  }
}

run "logs_are_kept_for_days_that_cloudwatch_knows" {
  command         = plan
  expect_failures = [var.log_retention_days]
  variables {
    log_retention_days = 31
  }
}

run "a_budget_is_more_than_nothing" {
  command         = plan
  expect_failures = [var.monthly_budget_usd]
  variables {
    alarm_email        = "data@example.com"
    monthly_budget_usd = 0
  }
}

run "a_budget_tells_somebody" {
  command         = plan
  expect_failures = [var.monthly_budget_usd]
  variables {
    monthly_budget_usd = 20
  }
}

run "names_are_lower_case" {
  command         = plan
  expect_failures = [var.name_prefix]
  variables {
    name_prefix = "Pinflow"
  }
}

run "an_alarm_share_is_a_percentage" {
  command         = plan
  expect_failures = [var.quarantine_alarm_percent]
  variables {
    quarantine_alarm_percent = 100
  }
}

run "the_batch_is_daily" {
  command         = plan
  expect_failures = [var.schedule_expression]
  variables {
    schedule_expression = "rate(1 hour)"
  }
}

run "a_time_zone_has_an_iana_name" {
  command         = plan
  expect_failures = [var.schedule_time_zone]
  variables {
    schedule_time_zone = "GMT+1"
  }
}

run "a_stage_is_one_word" {
  command         = plan
  expect_failures = [var.stage]
  variables {
    stage = "Dev/1"
  }
}

run "a_stream_has_one_of_two_modes" {
  command         = plan
  expect_failures = [var.stream_mode]
  variables {
    stream_mode = "serverless"
  }
}

run "a_stream_keeps_records_for_a_day_at_least" {
  command         = plan
  expect_failures = [var.stream_retention_hours]
  variables {
    stream_retention_hours = 12
  }
}

run "a_stream_has_a_shard" {
  command         = plan
  expect_failures = [var.stream_shards]
  variables {
    stream_shards = 0
  }
}

run "an_account_runs_at_least_ten_executions" {
  command         = plan
  expect_failures = [var.account_concurrency]
  variables {
    account_concurrency = 9
  }
}

run "requests_that_wait_fit_into_the_account" {
  command         = plan
  expect_failures = [var.account_concurrency]
  variables {
    account_concurrency = 100
  }
}

run "encryption_is_of_one_of_two_keys" {
  command         = plan
  expect_failures = [var.encryption]
  variables {
    encryption = "none"
  }
}

run "monitoring_is_full_or_lean" {
  command         = plan
  expect_failures = [var.monitoring]
  variables {
    monitoring = "none"
  }
}

run "rows_are_packed_in_a_known_form" {
  command         = plan
  expect_failures = [var.packing]
  variables {
    packing = { form = "zip" }
  }
}

run "there_is_a_partition_key_for_packed_rows" {
  command         = plan
  expect_failures = [var.packing]
  variables {
    packing = { form = "lines", partition_keys = 0 }
  }
}

run "records_wait_for_five_minutes_at_most" {
  command         = plan
  expect_failures = [var.stream_batching_window_s]
  variables {
    stream_batching_window_s = 301
  }
}

run "a_request_waits_less_long_than_api_gateway" {
  command         = plan
  expect_failures = [var.patience_s]
  variables {
    patience_s = 26
  }
}
