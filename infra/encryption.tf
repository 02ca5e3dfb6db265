# One key encrypts the stream, the lake, the logs, Athena's results, the API's keys and the alarms' topic. Its policy leaves it to IAM who may
# use it, and adds the services that act on nobody's behalf. With `encryption = "aws-keys"` there is none: each service has its own.

locals {
  has_own_key = var.encryption == "own-key"
  key_arn     = one(aws_kms_key.main[*].arn)
  # For each policy that must allow its use.
  key_arns = aws_kms_key.main[*].arn
  # For the commands that store the API's keys.
  key_option = join("", [for alias in aws_kms_alias.main : " --key-id ${alias.name}"])
}

# What was encrypted with the key cannot be read without it, and so the lake does not change its encryption: it is made anew.
resource "terraform_data" "encryption" {
  input = var.encryption
}

resource "aws_kms_key" "main" {
  count = local.has_own_key ? 1 : 0

  description = "Encrypts what ${local.name} keeps"
  # What it encrypts is unreadable once it is gone: time enough to notice.
  deletion_window_in_days = 30
  enable_key_rotation     = true
  policy                  = data.aws_iam_policy_document.key.json
}

resource "aws_kms_alias" "main" {
  count = local.has_own_key ? 1 : 0

  name          = "alias/${local.name}"
  target_key_id = aws_kms_key.main[0].key_id
}

data "aws_iam_policy_document" "key" {
  # checkov:skip=CKV_AWS_109:Without the account's root, nobody could manage the key; IAM's policies say who may.
  # checkov:skip=CKV_AWS_111:As above.
  # checkov:skip=CKV_AWS_356:In a key's policy, `*` is that key.
  statement {
    sid       = "Account"
    actions   = ["kms:*"]
    resources = ["*"]

    principals {
      type        = "AWS"
      identifiers = ["arn:${local.partition}:iam::${local.account_id}:root"]
    }
  }

  statement {
    sid       = "Logs"
    actions   = ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"]
    resources = ["*"]

    principals {
      type        = "Service"
      identifiers = ["logs.${local.region}.amazonaws.com"]
    }

    condition {
      test     = "ArnLike"
      variable = "kms:EncryptionContext:aws:logs:arn"
      values   = ["arn:${local.partition}:logs:${local.region}:${local.account_id}:log-group:*${local.name}*"]
    }
  }

  statement {
    sid       = "Alarms"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey*"]
    resources = ["*"]

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
