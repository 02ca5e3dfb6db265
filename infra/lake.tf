# The lake: one bucket, in which each prefix has one writer. A version that was replaced or deleted is kept for 30 days; quarantined records
# for 365; curated tables, the archive, reports and the ledger for good. Clean rows go after 90 days, and it is daily-batch that deletes
# them, once the archive has each of them. Batches that are given up have a bucket of their own.

locals {
  # Closed to the public, and to anything but TLS.
  buckets = {
    failed_batches = aws_s3_bucket.failed_batches
    lake           = aws_s3_bucket.lake
  }

  athena_results_prefix = "athena/"

  clean_days = 90

  days_by_prefix = {
    (local.athena_results_prefix) = 7
    "quarantine/"                 = 365
    "replays/"                    = 90
  }
}

resource "aws_s3_bucket" "lake" {
  # checkov:skip=CKV2_AWS_62:Nothing waits for an object; the daily batch lists what is new.
  # checkov:skip=CKV_AWS_18:Who reads the lake is in CloudTrail's data events, where an account wants them.
  # checkov:skip=CKV_AWS_144:Tables are a function of the records; a second region doubles the bill of a stack that is to cost little.
  bucket        = "${local.name}-lake-${local.account_id}"
  force_destroy = var.force_destroy

  # The bucket goes first: one that is not empty stops a `terraform destroy` before the key that reads it is given up.
  depends_on = [aws_kms_key.main]

  lifecycle {
    replace_triggered_by = [terraform_data.encryption]
  }
}

resource "aws_s3_bucket_public_access_block" "closed" {
  for_each = local.buckets

  bucket                  = each.value.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_versioning" "lake" {
  bucket = aws_s3_bucket.lake.id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "lake" {
  bucket = aws_s3_bucket.lake.id

  rule {
    # One data key serves many objects, which keeps the calls to KMS, and their bill, small.
    bucket_key_enabled = local.has_own_key

    apply_server_side_encryption_by_default {
      kms_master_key_id = local.key_arn
      sse_algorithm     = local.has_own_key ? "aws:kms" : "AES256"
    }
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "lake" {
  bucket = aws_s3_bucket.lake.id

  rule {
    id     = "leftovers"
    status = "Enabled"

    filter {}

    abort_incomplete_multipart_upload {
      days_after_initiation = 1
    }

    # What is left of an object whose last version is gone.
    expiration {
      expired_object_delete_marker = true
    }

    noncurrent_version_expiration {
      noncurrent_days = 30
    }
  }

  # Rows that are read to make a table anew: seldom, and then at once
  # (https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-class-intro.html).
  rule {
    id     = "archive"
    status = "Enabled"

    filter {
      prefix = "archive/"
    }

    transition {
      days          = 0
      storage_class = "GLACIER_IR"
    }
  }

  dynamic "rule" {
    for_each = local.days_by_prefix

    content {
      id     = trimsuffix(rule.key, "/")
      status = "Enabled"

      filter {
        prefix = rule.key
      }

      expiration {
        days = rule.value
      }
    }
  }

  # Rules about versions need versions.
  depends_on = [aws_s3_bucket_versioning.lake]
}

resource "aws_s3_bucket_policy" "tls" {
  for_each = local.buckets

  bucket = each.value.id
  policy = data.aws_iam_policy_document.tls[each.key].json

  depends_on = [aws_s3_bucket_public_access_block.closed]
}

data "aws_iam_policy_document" "tls" {
  for_each = local.buckets

  statement {
    sid       = "OnlyTls"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [each.value.arn, "${each.value.arn}/*"]

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

# Batches that stream-cleaner's mapping gives up, for 365 days. What made them fail may be the lake's bucket or its key: this one has neither,
# and is encrypted with the key that S3 keeps for it.
resource "aws_s3_bucket" "failed_batches" {
  # checkov:skip=CKV2_AWS_62:An alarm reports each batch.
  # checkov:skip=CKV_AWS_18:As for the lake.
  # checkov:skip=CKV_AWS_144:As for the lake.
  # checkov:skip=CKV_AWS_145:The lake's key may be what failed.
  # checkov:skip=CKV_AWS_21:Each object is written once, under a name of its own.
  bucket        = "${local.name}-failed-${local.account_id}"
  force_destroy = var.force_destroy
}

resource "aws_s3_bucket_server_side_encryption_configuration" "failed_batches" {
  bucket = aws_s3_bucket.failed_batches.id

  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "failed_batches" {
  bucket = aws_s3_bucket.failed_batches.id

  rule {
    id     = "old"
    status = "Enabled"

    filter {}

    abort_incomplete_multipart_upload {
      days_after_initiation = 1
    }

    expiration {
      days = 365
    }
  }
}
