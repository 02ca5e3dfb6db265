# One dashboard that shows the way of a row from left to right: API, stream, cleaner, daily batch.

locals {
  # Six units wide each, so that four fit side by side; the grid has 24.
  dashboard_columns = [
    {
      title = "1 Posts come in"
      text  = "Requests, what was refused, and how long a client waits."
      graphs = [
        {
          title   = "Requests"
          metrics = [for name in ["Count", "4xx", "5xx"] : ["AWS/ApiGateway", name, "ApiId", aws_apigatewayv2_api.main.id, "Stage", aws_apigatewayv2_stage.main.name]]
          stat    = "Sum"
        },
        {
          title = "Wait, ms"
          metrics = [for stat in ["p50", "p99"] :
            ["AWS/ApiGateway", "Latency", "ApiId", aws_apigatewayv2_api.main.id, "Stage", aws_apigatewayv2_stage.main.name, { stat = stat }]
          ]
          stat = "p50"
        },
        {
          title   = "ingest-api"
          metrics = [for name in ["Errors", "Throttles"] : ["AWS/Lambda", name, "FunctionName", module.ingest_api.name]]
          stat    = "Sum"
        },
      ]
    },
    {
      title = "2 The stream holds them"
      text  = "What the stream took, what it refused, and how long records wait in it."
      graphs = [
        {
          title   = "Records in"
          metrics = [["AWS/Kinesis", "IncomingRecords", "StreamName", aws_kinesis_stream.events.name]]
          stat    = "Sum"
        },
        {
          title   = "Throttled"
          metrics = [for name in ["WriteProvisionedThroughputExceeded", "ReadProvisionedThroughputExceeded"] : ["AWS/Kinesis", name, "StreamName", aws_kinesis_stream.events.name]]
          stat    = "Sum"
        },
        {
          title   = "Oldest record that waits, ms"
          metrics = [["AWS/Lambda", "IteratorAge", "FunctionName", module.stream_cleaner.name]]
          stat    = "Maximum"
        },
      ]
    },
    {
      title = "3 They are cleaned"
      text  = "Rows of each kind, what was rejected, and what was given up."
      graphs = [
        {
          title   = "Rows"
          metrics = [for kind in keys(local.columns) : [local.metrics_namespace, "rows", "function", module.stream_cleaner.name, "table", kind]]
          stat    = "Sum"
        },
        {
          title   = "Rejected"
          metrics = [[local.metrics_namespace, "rejected", "function", module.stream_cleaner.name]]
          stat    = "Sum"
        },
        {
          title = "stream-cleaner"
          metrics = concat(
            [for name in ["Errors", "Throttles"] : ["AWS/Lambda", name, "FunctionName", module.stream_cleaner.name]],
            [["AWS/Lambda", "OnFailureDestinationDeliveredEventCount", "EventSourceMappingUUID", aws_lambda_event_source_mapping.stream_cleaner.uuid]],
          )
          stat = "Sum"
        },
      ]
    },
    {
      title = "4 Each morning they are merged"
      text  = "Runs, rows, and the count that must be zero."
      graphs = [
        {
          title   = "Runs"
          metrics = [for name in ["runs_succeeded", "runs_failed"] : [local.metrics_namespace, name, "function", module.daily_batch.name]]
          stat    = "Sum"
        },
        {
          title   = "Rows merged"
          metrics = [for name in ["rows_in", "rows_merged"] : [local.metrics_namespace, name, "function", module.daily_batch.name]]
          stat    = "Sum"
        },
        {
          title = "Unaccounted, and dead letters"
          metrics = [
            [local.metrics_namespace, "unaccounted", "function", module.daily_batch.name],
            ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", aws_sqs_queue.dead_letters.name],
          ]
          stat = "Maximum"
        },
      ]
    },
  ]
}

resource "aws_cloudwatch_dashboard" "main" {
  count = local.is_lean ? 0 : 1

  dashboard_name = local.name

  dashboard_body = jsonencode({
    widgets = concat(
      [for index, column in local.dashboard_columns : {
        type       = "text"
        x          = index * 6
        y          = 0
        width      = 6
        height     = 2
        properties = { markdown = "### ${column.title}\n${column.text}" }
      }],
      flatten([for index, column in local.dashboard_columns : [for row, graph in column.graphs : {
        type   = "metric"
        x      = index * 6
        y      = 2 + row * 6
        width  = 6
        height = 6
        properties = {
          metrics = graph.metrics
          period  = index == 3 ? 3600 : 300
          region  = local.region
          stat    = graph.stat
          title   = graph.title
          view    = "timeSeries"
        }
      }]]),
      [{
        type   = "alarm"
        x      = 0
        y      = 20
        width  = 24
        height = 3
        properties = {
          title = "Alarms"
          alarms = concat(
            values(aws_cloudwatch_metric_alarm.main)[*].arn,
            values(aws_cloudwatch_metric_alarm.api_share)[*].arn,
            [
              aws_cloudwatch_metric_alarm.cleaner_silent.arn,
              aws_cloudwatch_metric_alarm.daily_run_missing.arn,
              aws_cloudwatch_metric_alarm.quarantine_share.arn,
              aws_cloudwatch_metric_alarm.reconciliation_incomplete.arn,
            ],
          )
        }
      }],
    )
  })
}
