# What Athena sees: clean rows and quarantined records by day (partitions are computed, so nothing has to look for new ones), the curated
# Delta tables, and each report as a query of its own over them.

locals {
  lineage = [
    ["_shard", "string"], ["_sequence", "string"], ["_arrival", "timestamp"], ["_rules", "int"], ["_extra", "string"], ["_unread", "string"],
  ]

  # The tables, views and reports are those of the model's files, which the functions read as well.
  tables_directory = "${var.model_directory}/tables"
  table_files      = { for file in fileset(local.tables_directory, "*.yaml") : trimsuffix(file, ".yaml") => file("${local.tables_directory}/${file}") }
  tables           = { for name, text in local.table_files : name => yamldecode(text) }

  # Types as Glue names them; those of decimals are the same.
  glue_types = {
    boolean   = "boolean"
    date      = "date"
    float64   = "double"
    int32     = "int"
    int64     = "bigint"
    json      = "string"
    point     = "array<double>"
    text      = "string"
    timestamp = "timestamp"
  }
  # `yamldecode` sorts the columns by name; their order is that of their lines.
  column_names = {
    for name, table in local.tables : name => distinct(concat(
      [for line in regexall("(?m)^\\s+[\"']?([a-z][a-z0-9_]*)[\"']?\\s*:", local.table_files[name]) : line[0] if contains(keys(table.columns), line[0])],
      keys(table.columns)
    ))
  }
  columns = {
    for name, table in local.tables : name => concat([
      for column in local.column_names[name] : [
        column,
        lookup(local.glue_types, try(table.columns[column].type, table.columns[column]), replace(try(table.columns[column].type, table.columns[column]), " ", ""))
      ]
    ], local.lineage)
  }

  quarantine_columns = [
    ["kind", "string"], ["code", "string"], ["message", "string"], ["rule_version", "int"], ["shard", "string"],
    ["sequence_number", "string"], ["partition_key", "string"], ["arrival", "string"], ["payload_base64", "string"],
  ]

  # Rows leave `clean/` after this time, quarantine later: no query looks for older partitions. Two days more, since an object expires by the
  # day after its last.
  clean_range      = "NOW-${local.clean_days + 2}DAYS,NOW"
  quarantine_range = "NOW-${local.days_by_prefix["quarantine/"] + 2}DAYS,NOW"

  # The reports are written in the dialect of the engine that runs them each morning; Athena calls `date_part` something else. A view,
  # which the daily batch makes once for all reports that read it, is a part of the query.
  views_directory   = "${var.model_directory}/views"
  reports_directory = "${var.model_directory}/reports"

  view_bodies = {
    for file in fileset(local.views_directory, "*.sql") : trimsuffix(file, ".sql") =>
    indent(4, chomp(replace(file("${local.views_directory}/${file}"), "/(?m)^--.*\\n/", "")))
  }
  report_bodies = {
    for file in fileset(local.reports_directory, "*.sql") : trimsuffix(file, ".sql") => replace(replace(
      file("${local.reports_directory}/${file}"),
      "/(?m)^--.*\\n/", ""),
      "/date_part\\('year', ([^)]+)\\)/", "year($1)"
    )
  }
  report_views = {
    for name, body in local.report_bodies : name => join(",\n", [
      for view, query in local.view_bodies : "${view} AS (\n    ${query}\n)" if can(regex("\\b${view}\\b", body))
    ])
  }
  report_queries = {
    for name, body in local.report_bodies : name =>
    local.report_views[name] == "" ? body : startswith(body, "WITH ") ?
    "WITH ${local.report_views[name]},\n${trimprefix(body, "WITH ")}" : "WITH ${local.report_views[name]}\n${body}"
  }
}

resource "aws_glue_catalog_database" "lake" {
  name        = replace(local.name, "-", "_")
  description = "The lake of ${local.name}"
}

# The templates end with a slash, as in https://docs.aws.amazon.com/athena/latest/ug/partition-projection-setting-up.html.
resource "aws_glue_catalog_table" "clean" {
  for_each = local.columns

  database_name = aws_glue_catalog_database.lake.name
  name          = "clean_${each.key}"
  description   = "Rows of ${each.key} as they arrived, minutes old; the same row can appear twice"
  table_type    = "EXTERNAL_TABLE"

  parameters = {
    EXTERNAL                    = "TRUE"
    classification              = "parquet"
    "projection.enabled"        = "true"
    "projection.date.type"      = "date"
    "projection.date.format"    = "yyyy-MM-dd"
    "projection.date.range"     = local.clean_range
    "projection.hour.type"      = "integer"
    "projection.hour.digits"    = "2"
    "projection.hour.range"     = "0,23"
    "storage.location.template" = "s3://${aws_s3_bucket.lake.id}/clean/${each.key}/date=$${date}/hour=$${hour}/"
  }

  partition_keys {
    name = "date"
    type = "string"
  }

  partition_keys {
    name = "hour"
    type = "string"
  }

  storage_descriptor {
    input_format  = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat"
    location      = "s3://${aws_s3_bucket.lake.id}/clean/${each.key}/"
    output_format = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat"

    dynamic "columns" {
      for_each = each.value

      content {
        name = columns.value[0]
        type = columns.value[1]
      }
    }

    ser_de_info {
      serialization_library = "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"
    }
  }
}

resource "aws_glue_catalog_table" "quarantine" {
  database_name = aws_glue_catalog_database.lake.name
  name          = "quarantine"
  description   = "Records that could not become rows, with the code of the reason and the payload in base64"
  table_type    = "EXTERNAL_TABLE"

  parameters = {
    EXTERNAL                    = "TRUE"
    classification              = "json"
    compressionType             = "gzip"
    "projection.enabled"        = "true"
    "projection.date.type"      = "date"
    "projection.date.format"    = "yyyy-MM-dd"
    "projection.date.range"     = local.quarantine_range
    "storage.location.template" = "s3://${aws_s3_bucket.lake.id}/quarantine/date=$${date}/"
  }

  partition_keys {
    name = "date"
    type = "string"
  }

  storage_descriptor {
    input_format  = "org.apache.hadoop.mapred.TextInputFormat"
    location      = "s3://${aws_s3_bucket.lake.id}/quarantine/"
    output_format = "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat"

    dynamic "columns" {
      for_each = local.quarantine_columns

      content {
        name = columns.value[0]
        type = columns.value[1]
      }
    }

    ser_de_info {
      serialization_library = "org.openx.data.jsonserde.JsonSerDe"
    }
  }
}

# Athena reads the columns from the Delta log; these are for who looks at the catalog. A table that is made by API has the provider, with the
# path in its SerDe, and no `table_type` (https://docs.aws.amazon.com/athena/latest/ug/delta-lake-tables-syncing-metadata.html).
resource "aws_glue_catalog_table" "curated" {
  for_each = local.columns

  database_name = aws_glue_catalog_database.lake.name
  name          = each.key
  description   = try(local.tables[each.key].merge, "latest") == "append" ? "Each record of ${each.key}, once" : "One row per ${local.tables[each.key].key} of ${each.key}, the latest"
  table_type    = "EXTERNAL_TABLE"

  parameters = {
    EXTERNAL                     = "TRUE"
    classification               = "delta"
    "spark.sql.sources.provider" = "delta"
  }

  storage_descriptor {
    input_format  = "org.apache.hadoop.mapred.SequenceFileInputFormat"
    location      = "s3://${aws_s3_bucket.lake.id}/curated/${each.key}/"
    output_format = "org.apache.hadoop.hive.ql.io.HiveSequenceFileOutputFormat"

    dynamic "columns" {
      for_each = each.value

      content {
        name = columns.value[0]
        type = columns.value[1]
      }
    }

    ser_de_info {
      serialization_library = "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe"

      parameters = {
        path                   = "s3://${aws_s3_bucket.lake.id}/curated/${each.key}/"
        "serialization.format" = "1"
      }
    }
  }

  # A table of a newer schema has columns that a merge added.
  lifecycle {
    ignore_changes = [storage_descriptor[0].columns]
  }
}

resource "aws_athena_workgroup" "main" {
  name          = local.name
  description   = "Queries of the lake of ${local.name}"
  force_destroy = true

  configuration {
    bytes_scanned_cutoff_per_query     = var.athena_scan_limit_gb * 1000000000
    enforce_workgroup_configuration    = true
    publish_cloudwatch_metrics_enabled = true

    result_configuration {
      output_location = "s3://${aws_s3_bucket.lake.id}/${local.athena_results_prefix}"

      encryption_configuration {
        encryption_option = local.has_own_key ? "SSE_KMS" : "SSE_S3"
        kms_key_arn       = local.key_arn
      }
    }
  }
}

resource "aws_athena_named_query" "report" {
  for_each = local.report_queries

  database    = aws_glue_catalog_database.lake.name
  description = "The report of this name, from the curated tables as they are now"
  name        = each.key
  query       = each.value
  workgroup   = aws_athena_workgroup.main.id
}
